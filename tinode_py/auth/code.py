"""The scheme `code`: six digits that were sent to a person, good for one change of password.

A secret is `<code>:<method>:<value>`. What waits for a code is a row of its own among the
logins, under the name `<method>:<value>`; it ends when it is used, after too many wrong tries,
or with its time (protocol notes, 3.5).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Protocol

import attrs

from .. import errors
from ..access import Level
from ..changes import Batch, DropLogin, Outcome, PutLogin
from ..errors import Refused
from ..queries import LoginByName, Query
from ..records import Login
from ..settings.accounts import Code as Rules
from .base import NO_LOGIN, VALIDATED, Identity, Origin, T

SCHEME = "code"


class Keeper(Protocol):
    """The store, as this scheme needs it."""

    async def fetch(self, query: Query[T]) -> T: ...

    async def commit(self, batch: Batch) -> Outcome: ...


@attrs.frozen
class Waiting:
    """What is kept of a code: a salted digest, and how often a wrong one came."""

    salt: str
    digest: str
    tries: int = 0

    @classmethod
    def parse(cls, text: str) -> Waiting:
        salt, digest, tries = text.split("$")
        return cls(salt, digest, int(tries))

    def __str__(self) -> str:
        return f"{self.salt}${self.digest}${self.tries}"

    def is_for(self, code: str) -> bool:
        """Whether `code` is the one, in constant time."""
        given = hashlib.sha256(f"{self.salt}:{code}".encode()).hexdigest()
        return hmac.compare_digest(given, self.digest)


class Code:
    """Proves who somebody is by a code, once."""

    level = Level.AUTH

    def __init__(self, store: Keeper, rules: Rules) -> None:
        self._store = store
        self._rules = rules

    async def log_in(self, secret: bytes, origin: Origin, now: int) -> Identity:
        """400 for what is no such secret, 401 without a reason for all else. Uses the code up."""
        code, name = _split(secret)
        row = await self._store.fetch(LoginByName(SCHEME, name))
        if row is None or 0 < row.expires <= now:
            raise Refused(errors.AUTH_FAILED)
        waiting = Waiting.parse(row.secret)
        if waiting.is_for(code):
            await self._store.commit(Batch((DropLogin(SCHEME, name),)))
            return Identity(row.user, row.level, VALIDATED | NO_LOGIN, row.expires)
        await self._count(row, waiting)
        raise Refused(errors.AUTH_FAILED)

    async def _count(self, row: Login, waiting: Waiting) -> None:
        """One wrong try more; the last one ends the code."""
        if waiting.tries + 1 >= self._rules.max_retries:
            await self._store.commit(Batch((DropLogin(SCHEME, row.name),)))
            return
        later = attrs.evolve(waiting, tries=waiting.tries + 1)
        await self._store.commit(Batch((PutLogin(attrs.evolve(row, secret=str(later))),)))

    async def enroll(self, user: str, secret: bytes, origin: Origin) -> Login | None:
        raise Refused(errors.NOT_IMPLEMENTED, {"what": "auth"})

    async def change(self, user: str, secret: bytes, origin: Origin) -> Login:
        raise Refused(errors.NOT_IMPLEMENTED)


def _split(secret: bytes) -> tuple[str, str]:
    """The code, and the name under which it waits."""
    try:
        code, method, value = secret.decode().split(":", 2)
    except ValueError:
        raise Refused(errors.MALFORMED) from None
    return code, f"{method}:{value.lower()}"
