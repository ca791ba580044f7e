"""The ways to log in that the settings ask for."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import attrs

from ..config import ConfigError, Settings
from ..errors import Refused
from ..outbound.address import check_setting
from .anonymous import Anonymous
from .base import Scheme
from .basic import Basic
from .checker import Hasher, PasswordChecker
from .code import Code, Keeper
from .passwords import Argon2
from .rest import Rest, new_client
from .token import TokenKeeper


@contextlib.asynccontextmanager
async def authenticator(settings: Settings) -> AsyncIterator[tuple[Settings, Rest | None]]:
    """The service outside, if there is one, and the settings with what it has asked for.

    Raises ConfigError for an address that cannot be used, or where nobody answers.
    """
    rules = settings.auth.rest
    if not rules.url:
        yield settings, None
        return
    check_setting("auth.rest.url", rules.url)
    async with new_client(rules) as client:
        rest = Rest(client, rules)
        try:
            named = await rest.tag_namespaces()
        except Refused as refused:
            raise ConfigError("auth.rest.url", f"asked there: {refused}") from None
        rules = attrs.evolve(rules, tag_namespaces=(*rules.tag_namespaces, *named))
        yield attrs.evolve(settings, auth=attrs.evolve(settings.auth, rest=rules)), rest


def made_schemes(
    settings: Settings,
    store: Keeper,
    tokens: TokenKeeper,
    rest: Rest | None,
    hasher: Hasher | None,
    *,
    inline: bool,
) -> dict[str, Scheme]:
    """The schemes by the names that clients give them. `hasher`: in place of the settings'."""
    rules = settings.auth
    hasher = hasher or Argon2(memory=rules.basic.hash_memory, passes=rules.basic.hash_passes)
    checker = PasswordChecker(
        hasher, threads=rules.basic.threads, waiting=rules.basic.waiting, inline=inline
    )
    schemes: dict[str, Scheme] = {
        "basic": Basic(store, checker, rules.basic),
        "token": tokens,
        "anonymous": Anonymous(allowed=rules.anonymous),
        "code": Code(store, rules.code),
    }
    if rest is not None:
        schemes["rest"] = rest
    return _renamed(schemes, rules.logical_names)


def _renamed(schemes: dict[str, Scheme], names: tuple[str, ...]) -> dict[str, Scheme]:
    found = dict(schemes)
    for entry in names:
        name, _, scheme = entry.partition(":")
        if scheme and scheme not in schemes:
            raise ConfigError("auth.logical_names", f"there is no scheme {scheme!r}")
        found.pop(name, None)
        if scheme:
            found[name] = schemes[scheme]
    return found
