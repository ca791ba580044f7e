"""Paths that are found by their name, nobody looks through routes for them; and all below one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from starlette.routing import BaseRoute, Mount, Route

from .http import App


class Exact(Route):
    """A path without parameters. Its app answers every method, and every error by itself."""

    def __init__(self, path: str, app: App) -> None:
        super().__init__(path, app)


class Below(Mount):
    """All paths below one, those with line ends in them as well, which a Mount lets pass."""

    def __init__(self, path: str, app: App) -> None:
        super().__init__(path, app)
        self.path_regex = re.compile(f"{re.escape(path)}/(?P<path>.*)\\Z", re.DOTALL)


def by_path(routes: Iterable[BaseRoute]) -> Mapping[str, App]:
    """The apps of those routes that are exact."""
    return {route.path: route.app for route in routes if isinstance(route, Exact)}
