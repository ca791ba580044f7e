"""Reading the configuration: defaults < TOML file < environment < `--set`.

Unknown keys are refused by name, values of a wrong type or out of bounds as well: every
failure is a `ConfigError` that names the key and where it came from. Of the environment only
variables of the form `TINODE_<SECTION>__<KEY>` are read (`__` for each dot); other TINODE_
variables are not ours. A value from the environment or `--set` is read as TOML if it parses,
else as text; where a text is wanted it is taken as it stands, and where a list of texts is
wanted, one text is a list of one.
"""

from __future__ import annotations

import difflib
import functools
import math
import re
import tomllib
import typing
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar

import attrs

from . import ids
from .settings.accounts import Auth, Sessions, Users, Validators
from .settings.chat import Calls, Clients, Inbox, Messages, Rooms, Tags, Topics
from .settings.cluster import Cluster
from .settings.keys import table
from .settings.limits import Limits
from .settings.services import Audit, Events, Media, Push, Smtp, Webhooks
from .settings.serving import Log, Postgres, Server, Web

S = TypeVar("S", bound=attrs.AttrsInstance)
_VARIABLE = re.compile(r"TINODE_[A-Z0-9]+(?:_[A-Z0-9]+)*(?:__[A-Z0-9]+(?:_[A-Z0-9]+)*)+")
_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s?#@]+/?")
_ADDRESS = re.compile(r"https?://[^/\s?#@]+(/[^\s?#]*)?")
_HOST_PORT = re.compile(r"(?:\[([^\[\]\s]+)\]|([^:\[\]\s]*)):([0-9]{1,5})")
_ANYWHERE = ("", "0.0.0.0", "::")
_NAMES: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    NoneType: "nothing",
}


class ConfigError(Exception):
    """A setting cannot be used. `key` is its dotted name, `reason` says why."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


@attrs.frozen
class Settings:
    """All settings. `Settings()` has the defaults; change some with `of` or `attrs.evolve`."""

    server: Server = table(Server, "Where the server listens and keeps data.")
    web: Web = table(Web, "Websockets and HTTP.")
    limits: Limits = table(Limits, "Bounds on what clients may send.")
    tags: Tags = table(Tags, "What people and groups are found by.")
    messages: Messages = table(Messages, "Deleting and editing.")
    auth: Auth = table(Auth, "Accounts and logging in.")
    sessions: Sessions = table(Sessions, "How often a user may be there.")
    users: Users = table(Users, "What becomes of new users.")
    topics: Topics = table(Topics, "Conversations of two, groups and channels.")
    clients: Clients = table(Clients, "What is left to the back end.")
    rooms: Rooms = table(Rooms, "Rooms, of which nothing is kept (docs/rooms.md).")
    validators: Validators = table(Validators, "Credentials to be confirmed.")
    calls: Calls = table(Calls, "Voice and video calls.")
    inbox: Inbox = table(Inbox, "The durable inbox on `me`.")
    events: Events = table(Events, "The log of events for a back end.")
    audit: Audit = table(Audit, "What operators and back ends have done.")
    webhooks: Webhooks = table(Webhooks, "Events posted to services.")
    smtp: Smtp = table(Smtp, "Outgoing mail.")
    push: Push = table(Push, "Notifications to devices.")
    media: Media = table(Media, "Uploaded files.")
    postgres: Postgres = table(Postgres, "The store in PostgreSQL.")
    cluster: Cluster = table(Cluster, "Several servers as one (docs/cluster.md).")
    log: Log = table(Log, "What the server says of itself.")

    def __attrs_post_init__(self) -> None:
        if self.limits.outbox < self.limits.message_size:
            raise ConfigError(
                "limits.outbox",
                "wants at least limits.message_size: no reader could take the largest message",
            )
        if self.users.lobby and not ids.is_group(self.users.lobby):
            raise ConfigError("users.lobby", "wants a group, as `grp…`")
        _check_web(self.web)
        _check_cluster(self)

    @classmethod
    def of(cls, **given: Mapping[str, Any]) -> Settings:
        """Settings for embedding: `Settings.of(limits={"message_size": 4096})`."""
        return _section(cls, given, "")


def _check_web(web: Web) -> None:
    for name, origins in (("web.origins", web.origins), ("web.cors_origins", web.cors_origins)):
        for origin in origins:
            known = origin == "*" and name == "web.cors_origins"
            if not known and not _ORIGIN.fullmatch(origin):
                raise ConfigError(name, f"{origin!r} is no origin, as `https://chat.example`")
    if web.public_url and not _ADDRESS.fullmatch(web.public_url):
        raise ConfigError("web.public_url", "wants an address, as `https://chat.example`")


def _check_cluster(settings: Settings) -> None:
    cluster = settings.cluster
    for name, address in (("listen", cluster.listen), ("advertise", cluster.advertise)):
        if address.startswith("unix:") and address != "unix:":
            continue
        found = _HOST_PORT.fullmatch(address)
        if address and (not found or int(found[3]) > 65_535):
            raise ConfigError(f"cluster.{name}", "wants host:port, [v6]:port or unix:path")
        if found and not cluster.advertise and (found[1] or found[2]) in _ANYWHERE:
            raise ConfigError("cluster.advertise", "is wanted where cluster.listen names no host")
    if cluster.listen and not is_lasting(settings):
        raise ConfigError(
            "cluster.listen", "wants a server.store that nodes can share: not memory:"
        )
    if cluster.listen and cluster.queue < settings.limits.message_size:
        raise ConfigError("cluster.queue", "wants at least limits.message_size")
    files = attrs.asdict(cluster.tls)
    for name, file in files.items():
        if not file and any(files.values()):
            raise ConfigError(f"cluster.tls.{name}", "is wanted, too: cert, key and ca, or none")


@attrs.frozen
class _Text:
    """A value that came as text: what it reads as in TOML, and how it stood."""

    value: Any
    raw: str


def database(settings: Settings) -> Path | None:
    """The SQLite file that `server.store` names; None for `memory:`. ConfigError otherwise: also
    for PostgreSQL and another node's store, so who works with those asks for them first.
    """
    store = settings.server.store
    if not store:
        return Path(settings.server.data) / "tinode.db"
    if store == "memory:":
        return None
    if store.startswith("sqlite:///") and len(store) > len("sqlite:///"):
        return Path(store.removeprefix("sqlite:///"))
    if postgres(settings) is not None:
        raise ConfigError("server.store", "is PostgreSQL, and this works on an SQLite file only")
    if (address := remote(settings)) is not None:
        raise ConfigError(
            "server.store",
            f"is that of the node at {address}: run this there, on its data folder",
        )
    raise ConfigError("server.store", "wants sqlite:///path, postgresql://…, peer://… or memory:")


def postgres(settings: Settings) -> str | None:
    """The address of the PostgreSQL database that `server.store` names, if it does."""
    store = settings.server.store
    return store if store.startswith(("postgresql://", "postgres://")) else None


def remote(settings: Settings) -> str | None:
    """The address of the node that has the store, if `server.store` names one: `host:port` or
    `unix:path`. ConfigError for an address that is none.
    """
    store = settings.server.store
    if store.startswith("peer+unix:") and store != "peer+unix:":
        return store.removeprefix("peer+")
    if not store.startswith("peer"):
        return None
    address = store.removeprefix("peer://")
    found = _HOST_PORT.fullmatch(address)
    if address == store or not found or not (found[1] or found[2]) or int(found[3]) > 65_535:
        raise ConfigError("server.store", "wants peer://host:port or peer+unix:/path")
    return address


def is_lasting(settings: Settings) -> bool:
    """Whether anything is kept when the server ends. ConfigError for what names no store."""
    if postgres(settings) is not None or remote(settings) is not None:
        return True
    return database(settings) is not None


def load(
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
    sets: Iterable[str] = (),
) -> Settings:
    """The settings from all sources; reads `file` at once. ConfigError if one is wrong."""
    tree = _read(file) if file else {}
    for name, raw in sorted((environ or {}).items()):
        if _VARIABLE.fullmatch(name):
            _put(tree, name.removeprefix("TINODE_").lower().replace("__", "."), raw)
    for item in sets:
        name, equals, raw = item.partition("=")
        if not equals:
            raise ConfigError(name, "--set wants key=value")
        _put(tree, name.strip(), raw.strip())
    return _section(Settings, tree, "")


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(str(file), error.strerror or "cannot be read") from None
    except ValueError as error:  # TOML or UTF-8
        raise ConfigError(str(file), f"not TOML: {error}") from None


def _put(tree: dict[str, Any], dotted: str, raw: str) -> None:
    _place(tree, dotted, _Text(_toml(raw), raw))


def _place(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for name in path:
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    tree[last] = value


def _toml(raw: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {raw}")
    except tomllib.TOMLDecodeError:
        return raw
    return parsed["value"] if len(parsed) == 1 else raw


def read_item(item: str) -> tuple[str, Any]:
    """The name and the value of `key=value`, for `with_values`."""
    name, equals, raw = item.partition("=")
    if not equals:
        raise ConfigError(name.strip(), "wants key=value")
    raw = raw.strip()
    return name.strip(), _Text(_toml(raw), raw)


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """The settings with some keys, given by their dotted names, changed: checked as in a file."""
    tree: dict[str, Any] = {}
    for dotted, value in values.items():
        _place(tree, dotted, value)
    return _over(settings, tree, "")


def _section(cls: type[S], given: object, path: str) -> S:
    return _over(cls(), given, path)


def _over(section: S, given: object, path: str) -> S:
    if isinstance(given, _Text):
        given = given.value
    if not isinstance(given, Mapping):
        raise ConfigError(path, "wants a table")
    hints = _hints_of(type(section))
    fields = {field.name: field for field in attrs.fields(type(section))}
    values = {}
    for name, value in given.items():
        dotted = f"{path}.{name}" if path else str(name)
        if name not in fields:
            raise ConfigError(_leaf(dotted, value), _unknown(str(name), path, fields))
        if attrs.has(hints[name]):
            values[name] = _over(getattr(section, name), value, dotted)
        else:
            values[name] = _value(hints[name], value, dotted)
        _within(fields[name], values[name], dotted)
    return attrs.evolve(section, **values)  # type: ignore[misc]


@functools.cache
def _hints_of(cls: Hashable) -> Mapping[str, Any]:
    return typing.get_type_hints(cls)


def _leaf(path: str, value: object) -> str:
    """The first full key in an unknown table: what the operator wrote."""
    while isinstance(value, Mapping) and value:
        name, value = next(iter(value.items()))
        path = f"{path}.{name}"
    return path


def _unknown(name: str, path: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    prefix = f"{path}." if path else ""
    return "unknown key" + (f", did you mean {prefix}{near[0]}?" if near else "")


def _within(field: attrs.Attribute[Any], value: object, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high = field.metadata["low"], field.metadata["high"]
    if not (math.isfinite(value) and low <= value <= high):
        raise ConfigError(path, f"wants a number from {low} to {high}, not {value}")


def _value(hint: Any, given: Any, path: str) -> Any:
    """`given` as the type `hint` wants it."""
    if attrs.has(hint):
        return _section(hint, given, path)
    if typing.get_origin(hint) is tuple:
        return _list(typing.get_args(hint)[0], given, path)
    if isinstance(given, _Text):
        text = hint is str or typing.get_origin(hint) is Literal
        quoted = isinstance(given.value, str)
        given = given.raw if text and not quoted else given.value
    if typing.get_origin(hint) is Literal:
        if given in typing.get_args(hint):
            return given
        raise ConfigError(path, "wants " + " | ".join(map(repr, typing.get_args(hint))))
    if hint is float and type(given) is int:
        return float(given)
    if type(given) is not hint:
        kind = _NAMES.get(type(given), "a list or a table")
        raise ConfigError(path, f"wants {_NAMES[hint]}, not {kind}")
    return given


def _list(hint: Any, given: Any, path: str) -> tuple[Any, ...]:
    if isinstance(given, _Text):
        given = given.value if isinstance(given.value, list) else [given]
    if not isinstance(given, list | tuple):
        raise ConfigError(path, "wants a list")
    return tuple(_value(hint, item, path) for item in given)
