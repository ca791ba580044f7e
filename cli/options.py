"""The options that name the server's settings, the same for every command that needs them."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from tinode_py.config import Settings, load

_OPTIONS = (
    click.option("--data", metavar="DIR", help="Folder of the database, uploads and secrets."),
    click.option(
        "--store", metavar="URL", help="sqlite:///path, postgresql://…, peer://host:port, memory:."
    ),
    click.option(
        "--config", type=click.Path(path_type=Path), metavar="FILE", help="A TOML file of settings."
    ),
    click.option(
        "--set", "sets", multiple=True, metavar="KEY=VALUE", help="One setting; may be repeated."
    ),
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, an object a line.")


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `data`, `store`, `config` and `sets`, for `read_settings`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `settings_options`, read into its argument `settings`."""

    @functools.wraps(command)
    def run(
        data: str | None,
        store: str | None,
        config: Path | None,
        sets: Sequence[str],
        **options: object,
    ) -> None:
        settings = read_settings(config, sets, {"server.data": data, "server.store": store})
        command(settings=settings, **options)

    return settings_options(run)


def read_settings(
    config: Path | None,
    sets: Sequence[str],
    options: Mapping[str, str | Sequence[str] | None],
) -> Settings:
    """The settings of this process: file < environment < `--set` < options of their own.

    `options` maps keys to values; one that is empty was not given. ConfigError names what is
    wrong.
    """
    given = [
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in options.items() if value
    ]
    return load(config, os.environ, [*sets, *given])
