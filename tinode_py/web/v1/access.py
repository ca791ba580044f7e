"""Who asks: keys with scopes, root's login tokens, and for `/v1/me` any user's.

    caller = await gate.authorized(request, "events:read")

raises Problem: 401 without a key or with one that is not known or has ended, 403 without the
scope, 429 beyond the key's rate.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
from starlette.requests import Request

from ...access import Level
from ...audit import Actor, Door
from ...auth.keys import PREFIX, SCOPES, fits, id_of
from ...errors import Refused
from ...live.entrance import Entrance
from ...queries_backend import KeyById
from ...records import ApiKey, Topic, User
from ...store.base import Store
from .operation import OWN
from .problem import Problem
from .rates import Rates

_PAGE = "tinode-page"  # a header of the operators' page
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="tinode"'}


@attrs.frozen
class Caller:
    """Who asks: the holder of a key, or a user with his own token (`key` None).

    Root has all scopes. `name` tells callers apart, `by` is how the audit names them; external
    ids belong to a `realm`, which keys of one name share, so that a key can be replaced.
    """

    name: str
    scopes: frozenset[str]
    key: ApiKey | None = None
    user: str = ""
    level: Level = Level.NONE
    by: Actor | None = None

    @property
    def realm(self) -> str:
        return self.key.name if self.key else ""

    @property
    def narrow(self) -> bool:
        """Whether the key is limited to some topics or tags."""
        return self.key is not None and bool(self.key.topics or self.key.tags)

    def check_all(self) -> None:
        """403 for a key that is limited to some topics or tags."""
        if self.narrow:
            raise Problem(403, "this key is limited to some topics or tags, and this is for all")

    def may_user(self, user: User) -> bool:
        """Whether the key's limits let it do something with a user: by his tags."""
        if self.key is None or not self.narrow:
            return True
        return not set(self.key.tags).isdisjoint(user.tags)

    def may_speak_as(self, user: User) -> bool:
        """As `may_user`; a key that is limited to topics alone lets anybody speak there."""
        return self.may_user(user) or (self.key is not None and not self.key.tags)

    def may_topic(self, topic: Topic) -> bool:
        """Whether the key's limits let it do something with a topic: by its name or its tags."""
        if self.key is None or not self.narrow:
            return True
        return topic.name in self.key.topics or not set(self.key.tags).isdisjoint(topic.tags)

    def may_room(self, room: str) -> bool:
        """Whether the key's limits let it do something with a room: by its name."""
        return self.key is None or not self.narrow or room in self.key.topics


class Gate(Protocol):
    """Who asks, and whether he may."""

    async def authorized(self, request: Request, scope: str) -> Caller: ...

    async def stands(self, shown: str, scope: str) -> bool:
        """Whether an `Authorization` that was good for a scope still is. Costs nothing of a
        key's rate.
        """


@attrs.frozen
class OperatorGate:
    """Lets everything in: at the operator's own door."""

    door: Door

    async def authorized(self, request: Request, scope: str) -> Caller:
        by = Actor(self.door, "", request.headers.get("user-agent", ""))
        return Caller("operator", frozenset(SCOPES), by=by)

    async def stands(self, shown: str, scope: str) -> bool:
        return True


@attrs.frozen
class KeyGate:
    """Looks at the credentials of requests."""

    store: Store
    entrance: Entrance
    now: Callable[[], int]
    rates: Rates = attrs.field(factory=Rates)

    async def authorized(self, request: Request, scope: str) -> Caller:
        """Who asks, if he may; see above. One look into the store, never a wait."""
        caller = await self._caller(request.headers.getlist("authorization"), request)
        if scope == OWN:
            if not caller.user:
                raise Problem(403, "this is for a user's own login token, not for a key")
        elif scope not in caller.scopes:
            lack = f"the key lacks the scope {scope}" if caller.key else "this needs a key"
            raise Problem(403, lack)
        rate = caller.key.rate if caller.key else self._own_rate()
        if wait := self.rates.take(caller.name, rate, self.now()):
            after = {"Retry-After": str(math.ceil(wait))}
            raise Problem(429, f"at most {rate} requests in a second", headers=after)
        return caller

    async def stands(self, shown: str, scope: str) -> bool:
        try:
            return scope in (await self._caller([shown], None)).scopes
        except Problem:
            return False

    async def _caller(self, authorization: Sequence[str], request: Request | None) -> Caller:
        shown = _bearer(authorization)
        if shown.startswith(PREFIX):
            return await self._key(shown, request)
        return await self._token(shown, request)

    def _own_rate(self) -> int:
        """Requests of one user's token in a second."""
        return self.entrance.settings.limits.packets_per_second

    async def _key(self, shown: str, request: Request | None) -> Caller:
        ident = id_of(shown)
        row = await self.store.fetch(KeyById(ident)) if ident else None
        if row is None or not fits(shown, row, self.now()):
            raise Problem(401, "the key is not known, or was revoked", headers=_CHALLENGE)
        by = None if request is None else Actor("key", row.id, _address(request))
        return Caller(row.id, frozenset(row.scopes), row, by=by)

    async def _token(self, shown: str, request: Request | None) -> Caller:
        try:
            secret = base64.b64decode(shown.replace("-", "+").replace("_", "/"), validate=True)
            identity = await self.entrance.by_token(secret)
        except (binascii.Error, ValueError, Refused):
            raise Problem(401, "the token is not known, or has ended", headers=_CHALLENGE) from None
        scopes = frozenset(SCOPES) if identity.level is Level.ROOT else frozenset[str]()
        by = None if request is None else _person(identity.user, request)
        return Caller(identity.user, scopes, None, identity.user, identity.level, by)


def _person(user: str, request: Request) -> Actor:
    """Who asks, as the audit names him. That the operators' page is meant, it says itself: who
    holds root's token may say so, too.
    """
    return Actor("page" if _PAGE in request.headers else "token", user, _address(request))


def _address(request: Request) -> str:
    client = request.scope["client"]
    return client[0] if client else ""


def _bearer(found: Sequence[str]) -> str:
    kind, _, shown = found[0].partition(" ") if len(found) == 1 else ("", "", "")
    if kind.lower() != "bearer" or not shown.strip():
        raise Problem(401, "there is no `Authorization: Bearer …`", headers=_CHALLENGE)
    return shown.strip()
