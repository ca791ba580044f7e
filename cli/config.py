"""`tinode-py config`: which settings there are, and where each value comes from."""

from __future__ import annotations

import os
import re
import tomllib
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import attrs
import click

from tinode_py.config import ConfigError, Settings, database, is_lasting, postgres, remote
from tinode_py.errors import StoreAway, StoreError
from tinode_py.runtime import is_live, leaves, overlaid
from tinode_py.settings.keys import MAX_NUMBER
from tinode_py.store.migrate import SchemaError
from tinode_py.store.postgres.address import Address, AddressFault

from .config_set import set_, unset
from .look import looking
from .options import json_option, read_settings, settings_options
from .output import aside, facts, show, tell

_VARIABLE = re.compile(r"TINODE_([A-Z0-9_]+?__[A-Z0-9_]+)")


@attrs.frozen
class Key:
    """One setting: its dotted name, the class of its section, what it is, and its value."""

    name: str
    section: type[Any]
    field: attrs.Attribute[Any]
    value: Any

    @property
    def hint(self) -> Any:
        """Its type."""
        return typing.get_type_hints(self.section)[self.field.name]

    @property
    def shown(self) -> Any:
        """The value, unless it is a secret."""
        if self.field.metadata["secret"] and self.value:
            return "(secret)"
        value = self.field.metadata["shown"](self.value)
        return list(value) if isinstance(value, tuple) else value


@click.group()
def config() -> None:
    """Settings: check, show with their sources, explain, change at run time."""


@config.command("check")
@json_option
@settings_options
def check(
    data: str | None,
    store: str | None,
    config: Path | None,
    sets: Sequence[str],
    as_json: bool,
) -> None:
    """See that a server could start with these settings. Exit code 2, and the key, if not."""
    settings = _read(data, store, config, sets)
    is_lasting(settings)
    _check_address(settings)
    _check_files(settings)
    given = sources(config, sets, data, store)
    told = {"done": "checked", "given": sorted(given)}
    tell(told, f"good: {len(given)} keys are set, the others are as they come", as_json=as_json)


@config.command("show")
@click.argument("prefix", default="")
@click.option("--all", "everything", is_flag=True, help="Those that nobody has set, too.")
@json_option
@settings_options
def show_(
    prefix: str,
    everything: bool,
    data: str | None,
    store: str | None,
    config: Path | None,
    sets: Sequence[str],
    as_json: bool,
) -> None:
    """The settings that are set, and from where; PREFIX (`limits`) narrows. Secrets stay hidden."""
    settings, kept = _with_stored(_read(data, store, config, sets))
    given = {**sources(config, sets, data, store), **dict.fromkeys(kept, "store")}
    rows = (
        {"key": key.name, "value": key.shown, "source": _source(given, key.name)}
        for key in keys(settings)
        if key.name.startswith(prefix)
    )
    found = [row for row in rows if everything or row["source"] != "default"]
    show(found, ("key", "value", "source"), as_json=as_json)


@config.command("explain")
@click.argument("name", metavar="KEY")
@json_option
@settings_options
def explain(
    name: str,
    data: str | None,
    store: str | None,
    config: Path | None,
    sets: Sequence[str],
    as_json: bool,
) -> None:
    """What one key means, its bounds, its default, its value, and how to set it."""
    settings, kept = _with_stored(_read(data, store, config, sets))
    given = {**sources(config, sets, data, store), **dict.fromkeys(kept, "store")}
    found = {key.name: key for key in keys(settings)}
    if name not in found:
        near = [other for other in found if name in other]
        more = f": is it {', '.join(near[:5])}?" if near else ", `config show --all` lists all"
        raise ConfigError(name, f"unknown key{more}")
    key = found[name]
    meta = key.field.metadata
    low, high = meta["low"], meta["high"]
    number = key.hint in (int, float)
    facts(
        {
            "key": key.name,
            "meaning": meta["about"],
            "type": _type(key.hint),
            "unit": meta["unit"],
            "from": low if number and low else None,
            "to": high if number and high != MAX_NUMBER else None,
            "default": _plain(key.field.default),
            "value": key.shown,
            "source": _source(given, name),
            "at run time": "yes" if is_live(name) else "needs a restart",
            "variable": f"TINODE_{name.upper().replace('.', '__')}",
        },
        as_json=as_json,
    )


def keys(settings: Settings) -> Iterator[Key]:
    """All keys of some settings, in their order."""
    return (Key(*leaf) for leaf in leaves(settings))


def sources(
    config: Path | None, sets: Sequence[str], data: str | None = None, store: str | None = None
) -> dict[str, str]:
    """Where the keys that somebody has set come from, the strongest source of each."""
    found = {}
    if config:
        tree = tomllib.loads(config.read_text("utf-8"))
        found.update(dict.fromkeys(_leaves(tree), str(config)))
    for variable in sorted(os.environ):
        name = _VARIABLE.fullmatch(variable)
        if name:
            found[name[1].lower().replace("__", ".")] = f"environment: {variable}"
    for item in sets:
        found[item.partition("=")[0].strip()] = "--set"
    found.update({"server.data": "--data"} if data else {})
    found.update({"server.store": "--store"} if store else {})
    return found


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in tree.items():
        dotted = f"{path}.{name}" if path else name
        if isinstance(value, Mapping):
            yield from _leaves(value, dotted)
        else:
            yield dotted


def _source(given: Mapping[str, str], name: str) -> str:
    """A whole table may have been set at once."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        source = given.get(".".join(parts[:length]))
        if source:
            return source
    return "default"


def _check_address(settings: Settings) -> None:
    url = postgres(settings)
    if url is not None:
        try:
            Address.of(url)
        except (AddressFault, StoreError) as error:
            raise ConfigError("server.store", str(error)) from None


def _read(
    data: str | None, store: str | None, config: Path | None, sets: Sequence[str]
) -> Settings:
    return read_settings(config, sets, {"server.data": data, "server.store": store})


def _with_stored(settings: Settings) -> tuple[Settings, list[str]]:
    """With what was set at run time, where there is a database; and the keys of that."""
    try:
        stored = _stored(settings)
    except (SchemaError, StoreError) as error:
        aside(f"without what was set at run time: {error}")
        return settings, []
    return overlaid(settings, stored), list(stored)


def _stored(settings: Settings) -> dict[str, bytes]:
    if (address := remote(settings)) is not None:
        raise StoreAway(f"the node at {address} has the store")
    if postgres(settings) is None:
        path = database(settings)
        if path is None or not path.exists():
            return {}
    with looking(settings) as browser:
        return browser.settings()


def _check_files(settings: Settings) -> None:
    """Files and folders that are named must be there."""
    tls, web = settings.web.tls, settings.web
    if bool(tls.cert) != bool(tls.key):
        raise ConfigError("web.tls", "wants both cert and key, or neither")
    for name, path in (("web.tls.cert", tls.cert), ("web.tls.key", tls.key)):
        if path and not os.access(path, os.R_OK):
            raise ConfigError(name, f"{path} is not there, or cannot be read")
    for name, path in (("web.static", web.static), ("smtp.templates", settings.smtp.templates)):
        if path and not Path(path).is_dir():
            raise ConfigError(name, f"there is no folder {path}")


def _type(hint: Any) -> str:
    names = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    if hint in names:
        return names[hint]
    if typing.get_origin(hint) is Literal:
        return " | ".join(map(repr, typing.get_args(hint)))
    return f"list: {_type(typing.get_args(hint)[0])}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


config.add_command(set_)
config.add_command(unset)
