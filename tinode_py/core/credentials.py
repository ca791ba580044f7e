"""Credentials: addresses that a user shows to be his by sending back a code (notes, 3.8).

A method (`email`, `tel`) is on where the settings require it of some level of accounts; one
that is off is ignored. Rows belong to the user, not to his `me` topic: they are always read
from the store, and the tag that a confirmed address makes is added by `me`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from ..access import Level
from ..changes import Change, DropCredential, PutCredential
from ..config import Settings
from ..errors import (
    AUTH_FAILED,
    DUPLICATE_CREDENTIAL,
    INVALID_RESPONSE,
    MALFORMED,
    NOT_FOUND,
    POLICY,
    Refused,
)
from ..queries import ConfirmedBy, CredentialsOf, Query
from ..records import Credential
from ..settings.accounts import Validator
from ..wire import parts
from . import codes
from .decision import Env, Facts
from .effects import SendCode

KINDS = ("email", "tel")  # of methods, whether they are on or not
MAX_VALUE = 128  # bytes
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
_TEL = re.compile(r"\+[1-9][0-9]{6,14}")
_TEL_NOISE = re.compile(r"[\s().\-/]")


@attrs.frozen
class Method:
    """A way to reach people that is switched on."""

    name: str
    rules: Validator

    def requires(self, level: Level) -> bool:
        return level.text in self.rules.required


def methods(settings: Settings) -> dict[str, Method]:
    """The methods that are on, by name."""
    known = {"email": settings.validators.email, "tel": settings.validators.tel}
    return {name: Method(name, rules) for name, rules in known.items() if rules.required}


def required(settings: Settings, level: Level) -> tuple[str, ...]:
    """What an account of this level must have confirmed before it may log in."""
    return tuple(name for name, m in methods(settings).items() if m.requires(level))


def demands(settings: Settings) -> dict[str, list[str]] | None:
    """`reqCred` of the answer to {hi}: required methods by level; None if there are none."""
    found: dict[str, list[str]] = {}
    for name, method in methods(settings).items():
        for level in method.rules.required:
            found.setdefault(level, []).append(name)
    return found or None


def normal(method: str, value: str, settings: Settings) -> str:
    """The address as it is kept; Refused naming the method if it is none of that kind."""
    what = {"what": method}
    if not value or len(value.encode()) > MAX_VALUE:
        raise Refused(MALFORMED, what)
    if method == "tel":
        number = _TEL_NOISE.sub("", value)
        if not _TEL.fullmatch(number):
            raise Refused(MALFORMED, what)
        return number
    address = value.lower()
    if not _EMAIL.fullmatch(address):
        raise Refused(MALFORMED, what)
    domains = settings.validators.email.domains
    if domains and address.rpartition("@")[2] not in domains:
        raise Refused(POLICY, what)
    return address


# --- adding ------------------------------------------------------------------------------


def adding_needs(method: str, value: str, settings: Settings) -> tuple[Query[Any], ...]:
    """The facts for adding an address."""
    if method not in methods(settings):
        return ()
    try:
        return (ConfirmedBy(method, normal(method, value, settings)),)
    except Refused:
        return ()


def fresh(
    user: str, method: str, value: str, env: Env, language: str = ""
) -> tuple[Credential, SendCode]:
    """An address to be confirmed, and the code that is on its way to it."""
    code = codes.make(env.settings.auth.code.length, env.random_bytes)
    salt = codes.fresh_salt(env.random_bytes)
    row = Credential(user, method, value, env.now, salt=salt, digest=codes.digest(salt, code))
    return row, SendCode(method, value, code, "confirm", language)


def add(
    user: str, asked: parts.Credential, known: Iterable[Credential], facts: Facts, env: Env
) -> tuple[tuple[Change, ...], SendCode]:
    """Add an address, in place of others of its method that were never confirmed."""
    value = normal(asked.meth, asked.val, env.settings)
    if facts[ConfirmedBy(asked.meth, value)] is not None:
        raise Refused(DUPLICATE_CREDENTIAL)
    row, message = fresh(user, asked.meth, value, env)
    old = [c for c in known if c.method == asked.meth and not c.done]
    tries = next((c.tries for c in old if c.value == value), 0)
    dropped = (DropCredential(user, c.method, c.value) for c in old if c.value != value)
    return (*dropped, PutCredential(attrs.evolve(row, tries=tries))), message


def at_sign_up(
    asked: Iterable[parts.Credential], level: Level, settings: Settings
) -> tuple[parts.Credential, ...]:
    """The addresses of a new account; Refused if one is no good, or a required one is missing."""
    known = methods(settings)
    found = []
    for item in asked:
        if item.meth not in known:
            continue
        if item.resp:
            raise Refused(AUTH_FAILED)  # nothing was sent yet that could be answered
        value = normal(item.meth, item.val, settings)
        found.append(attrs.evolve(item, val=value))
    missing = [m for m in required(settings, level) if all(c.meth != m for c in found)]
    if missing:
        raise Refused(POLICY, {"creds": missing})
    return tuple(found)


# --- confirming --------------------------------------------------------------------------


@attrs.frozen
class Answered:
    """What came of a response: the row as it is now, and whether the code was right."""

    row: Credential
    right: bool

    @property
    def change(self) -> PutCredential:
        return PutCredential(self.row)


def respond(asked: parts.Credential, known: Iterable[Credential], settings: Settings) -> Answered:
    """Compare a response with the code that was sent; Refused if nothing waits for one."""
    waiting = [c for c in known if c.method == asked.meth and not c.done]
    if not waiting:
        raise Refused(NOT_FOUND)
    row = waiting[0]
    if row.tries > settings.auth.code.max_retries:
        raise Refused(POLICY)
    debug = methods(settings)[asked.meth].rules.debug_code
    right = codes.matches(row.salt, row.digest, asked.resp) or bool(debug and asked.resp == debug)
    if right:
        return Answered(attrs.evolve(row, done=True, salt="", digest="", tries=0), right)
    return Answered(attrs.evolve(row, tries=row.tries + 1), right)


def wrong() -> Refused:
    return Refused(INVALID_RESPONSE)


def tag(method: str, value: str, settings: Settings) -> str:
    """The tag that a confirmed address makes, "" if it makes none."""
    found = methods(settings).get(method)
    return f"{method}:{value}" if found and found.rules.add_to_tags else ""


def missing(known: Iterable[Credential], level: Level, settings: Settings) -> tuple[str, ...]:
    """Required methods of which no address is confirmed."""
    done = {c.method for c in known if c.done}
    return tuple(m for m in required(settings, level) if m not in done)


# --- removing, listing -------------------------------------------------------------------


def check_named(asked: parts.Credential | None) -> None:
    """Refused if {del cred} names no address, or one of a kind that there is not."""
    if asked is None or asked.meth not in KINDS or not asked.val:
        raise Refused(MALFORMED)


def remove(
    asked: parts.Credential | None, known: tuple[Credential, ...], level: Level, env: Env
) -> Credential | None:
    """The address to take back; None if the user has no such one."""
    if asked is None or asked.meth not in methods(env.settings) or not asked.val:
        raise Refused(MALFORMED)
    value = asked.val.lower() if asked.meth == "email" else asked.val
    row = next((c for c in known if (c.method, c.value) == (asked.meth, value)), None)
    if row is None or not row.done:
        return row
    others = (c for c in known if c.method == row.method and c.done and c is not row)
    if row.method in required(env.settings, level) and next(others, None) is None:
        raise Refused(POLICY)
    return row


def listed(known: Iterable[Credential], settings: Settings) -> Iterator[parts.Credential]:
    """{meta cred}: the addresses of methods that are on."""
    on = methods(settings)
    for item in known:
        if item.method in on:
            yield parts.Credential(meth=item.method, val=item.value, done=item.done)


def of(user: str) -> CredentialsOf:
    """The query for a user's addresses."""
    return CredentialsOf(user)
