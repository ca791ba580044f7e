"""Settings that may be changed while the server runs: which they are, and as what they are kept.

They are kept in the store as JSON and go before the file, the environment and `--set`. A key
belongs to `LIVE` if all that reads it looks at the settings of now: at once, or, where its
description says so, for connections and topics that begin afterwards.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from .config import ConfigError, Settings, with_values

# Names of keys, or of tables with all that is in them.
LIVE = (
    *(
        "limits",
        "tags",
        "messages",
        "sessions",
        "users",
        "clients",
        "rooms",
        "calls",
        "events",
        "inbox",
        "audit",
    ),
    *("auth.registration", "auth.anonymous", "auth.invite", "auth.unvalidated_days"),
    *("auth.anonymous_days", "validators.email", "validators.tel.required"),
    *("validators.tel.add_to_tags", "validators.tel.debug_code"),
    *(
        "web.api_salt",
        "web.former_api_salt",
        "web.former_api_until",
        "web.api_keys",
        "web.origins",
        "server.drain_seconds",
    ),
    *("webhooks.most", "webhooks.batch", "webhooks.attempts", "webhooks.longest_pause"),
    "webhooks.before",
    *("media.collect_after", "media.reserve", "log.level"),
)


def is_live(name: str) -> bool:
    """Whether the key of this dotted name may be set at run time."""
    return any(name == known or name.startswith(known + ".") for known in LIVE)


def leaves(
    section: Any, path: str = ""
) -> Iterator[tuple[str, type[Any], attrs.Attribute[Any], Any]]:
    """All keys of some settings, in their order: dotted name, section, what it is, value."""
    for field in attrs.fields(type(section)):
        value = getattr(section, field.name)
        dotted = f"{path}.{field.name}" if path else field.name
        if attrs.has(type(value)):
            yield from leaves(value, dotted)
        else:
            yield dotted, type(section), field, value


def values_of(settings: Settings) -> dict[str, Any]:
    return {name: value for name, _, _, value in leaves(settings)}


def secret_keys(settings: Settings) -> frozenset[str]:
    """Keys whose values are shown to nobody."""
    return frozenset(name for name, _, field, _ in leaves(settings) if field.metadata["secret"])


def check_live(names: Iterable[str], settings: Settings) -> None:
    """ConfigError for the first that is no key, or may not be set at run time."""
    known = values_of(settings)
    for name in names:
        if name not in known:
            if any(key.startswith(name + ".") for key in known):
                raise ConfigError(name, "is a table: name one of its keys")
            with_values(settings, {name: ""})  # says what is wrong with the name
            raise ConfigError(name, "unknown key")
        if not is_live(name):
            raise ConfigError(name, "needs a restart: set it in the file, or where it is set now")


def to_json(value: Any) -> bytes:
    """The value of a key as it is kept."""
    return json.dumps(value, default=attrs.asdict, ensure_ascii=False).encode()


def overlaid(settings: Settings, stored: Mapping[str, bytes]) -> Settings:
    """Settings with those that are kept in the store; ConfigError names one that cannot be."""
    return with_values(settings, {name: json.loads(value) for name, value in stored.items()})


def changed(old: Settings, new: Settings) -> list[str]:
    """Keys in which two settings differ."""
    before = values_of(old)
    return [name for name, value in values_of(new).items() if value != before[name]]


def reread(old: Settings, new: Settings) -> tuple[Settings, list[str], list[str]]:
    """What becomes of settings whose sources were read again: `old` with the keys of `new` that
    may change at run time; these; and those that need a restart.
    """
    differing = changed(old, new)
    live = [name for name in differing if is_live(name)]
    values = values_of(new)
    tree = {name: typing.cast(Any, values[name]) for name in live}
    return _evolved(old, tree), live, [name for name in differing if name not in live]


def _evolved(settings: Settings, values: Mapping[str, Any]) -> Settings:
    return overlaid(settings, {name: to_json(value) for name, value in values.items()})
