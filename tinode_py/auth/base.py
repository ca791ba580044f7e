"""The port of authentication: what a scheme gets, and what it must answer.

A scheme turns a secret into an `Identity` or raises `errors.Refused`. It knows nothing of
sessions and topics; whether the account may log in now is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import attrs
import trio

from ..access import Level
from ..changes import Batch, Outcome
from ..queries import Query
from ..records import Login

T = TypeVar("T")

VALIDATED = 1  # feature bit: the account's required credentials are confirmed
NO_LOGIN = 2  # feature bit: good for one purpose, not for logging in
_NUMBER_SHIFT = 2  # bits 2-15 carry a login number


@attrs.frozen
class Newcomer:
    """Somebody whom a scheme knows and who has no account yet: what is to be in it.

    `auth` and `anon` are default access modes, empty for the usual ones. `link` tells the
    scheme the user id and gives its login; Refused if it does not take it, and then the account
    must go.
    """

    tags: tuple[str, ...]
    auth: str
    anon: str
    public: bytes | None
    private: bytes | None
    link: Callable[[str], Awaitable[Login]]


@attrs.frozen
class Identity:
    """Whom a secret proved, and how strongly. `features` are the bits that tokens carry.

    With a `newcomer` there is no user yet.
    """

    user: str
    level: Level
    features: int = 0
    expires: int = 0  # milliseconds; 0: never
    newcomer: Newcomer | None = None

    @property
    def validated(self) -> bool:
        return bool(self.features & VALIDATED)

    @property
    def may_log_in(self) -> bool:
        return not self.features & NO_LOGIN

    @property
    def login_number(self) -> int:
        return self.features >> _NUMBER_SHIFT


def with_login_number(features: int, number: int) -> int:
    """The feature bits with another login number."""
    return features & ((1 << _NUMBER_SHIFT) - 1) | number << _NUMBER_SHIFT


class Origin:
    """One connection, as the throttle of password checks sees it.

    Made once per connection and kept as long as it lives: failures are counted here, and one
    check at a time runs for it. `address` is the client's, empty if unknown.
    """

    __slots__ = ("_turn", "address", "failures", "not_before")

    def __init__(self, address: str = "") -> None:
        self.address = address
        self.failures = 0
        self.not_before = 0.0  # trio time of the next check
        self._turn: trio.Lock | None = None  # most connections never show a password

    @property
    def turn(self) -> trio.Lock:
        """For one check at a time."""
        if self._turn is None:
            self._turn = trio.Lock()
        return self._turn


class Reader(Protocol):
    """The half of a store that schemes need."""

    async def fetch(self, query: Query[T]) -> T: ...


class Keeper(Reader, Protocol):
    """A store, for a scheme that renews what it keeps."""

    async def commit(self, batch: Batch) -> Outcome: ...


class Scheme(Protocol):
    """One way to prove who one is."""

    @property
    def level(self) -> Level:
        """What a new account of this scheme is worth."""

    async def log_in(self, secret: bytes, origin: Origin, now: int) -> Identity:
        """Who sent `secret`; Refused if nobody. `now` in milliseconds."""

    async def enroll(self, user: str, secret: bytes, origin: Origin) -> Login | None:
        """The row that lets a new account log in later, None if the scheme keeps none.

        Whether its name is still free is seen at the commit (`changes.PutLogin`).
        """

    async def change(self, user: str, secret: bytes, origin: Origin) -> Login:
        """The row that replaces the one which `user` has."""
