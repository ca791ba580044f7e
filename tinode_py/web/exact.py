"""Paths that are found by their name: nobody looks through routes for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from starlette.routing import BaseRoute, Route

from .http import App


class Exact(Route):
    """A path without parameters. Its app answers every method, and every error by itself."""

    def __init__(self, path: str, app: App) -> None:
        super().__init__(path, app)


def by_path(routes: Iterable[BaseRoute]) -> Mapping[str, App]:
    """The apps of those routes that are exact."""
    return {route.path: route.app for route in routes if isinstance(route, Exact)}
