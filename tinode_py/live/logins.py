"""Logins: a number for each device of a user, carried by its tokens, that can be ended.

A login by password gets a number and a row; a token carries the number on, also when it is
renewed. A token whose row was revoked is refused. Rows go with the life of a token.

Policy. With `sessions.policy` `one` or `one_per_platform` a second live session is refused, or
ends the older one. Only sessions that are alive count, so that nobody is locked out by one
that a crash has left behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import attrs
from msgspec import structs

from ..auth.base import Identity
from ..changes import Batch, Committed, DropSession, PutSession
from ..errors import AUTH_FAILED, ELSEWHERE, Refused
from ..queries import SessionAt, SessionsOf
from ..records import LoginSession
from ..settings.accounts import Sessions as Policy
from ..store.base import Store
from ..wire.server_packets import Ctrl
from .everywhere import LiveSession, elsewhere
from .person import Person

MOST = 2**14 - 1  # what the token has room for
FRESH = 3_600_000  # ms for which a row's `seen` is good enough


@attrs.define(eq=False)
class Logins:
    """The numbers of a server's logins. `live` tells a user's sessions, `end` ends some: on
    whichever node they are, or Refused.
    """

    store: Store
    policy: Policy
    life: int  # ms of a token
    now: Callable[[], int]
    live: Callable[[str], Awaitable[Collection[LiveSession]]]
    end: Callable[[Collection[LiveSession], Ctrl], Awaitable[None]]

    async def check(self, identity: Identity) -> LoginSession | None:
        """The row of the login that proved `identity`, if it has one; Refused if it was revoked."""
        return await self._row(identity)

    async def enter(
        self, person: Person, identity: Identity, row: LoginSession | None = None
    ) -> int:
        """The number of this login, new or carried on; Refused if it may not be. `row` is what
        `check` has answered, without a checkpoint since.
        """
        number = identity.login_number
        await self._resume(person, row or await self._row(identity))
        await self._make_room(person, identity)
        return number or await self._begin(person, identity.user)

    async def wait(self, person: Person, identity: Identity) -> int:
        """A number for a token that leads to no session, or not yet: it can be revoked, too."""
        return identity.login_number or await self._begin(person, identity.user)

    async def _row(self, identity: Identity) -> LoginSession | None:
        if not identity.login_number:
            return None
        row = await self.store.fetch(SessionAt(identity.user, identity.login_number))
        if row is None or row.revoked:
            raise Refused(AUTH_FAILED)
        return row

    async def _resume(self, person: Person, row: LoginSession | None) -> None:
        if row and (self.now() - row.seen > FRESH or row.user_agent != person.user_agent):
            seen = structs.replace(row, seen=self.now(), user_agent=person.user_agent)
            await self.store.commit(Batch((PutSession(seen),)))

    async def _begin(self, person: Person, user: str) -> int:
        while not (number := await self._numbered(person, user)):
            pass  # somebody else was given it meanwhile: those that are taken only get more
        return number

    async def _numbered(self, person: Person, user: str) -> int:
        """A number for a new login; 0 if another login has just got it."""
        rows = await self.store.fetch(SessionsOf(user))
        now = self.now()
        over = now - self.life
        taken = {row.n for row in rows if row.seen >= over}
        number = next((n for n in range(1, MOST + 1) if n not in taken), 0)
        full = not number  # nobody has so many devices: the one unseen for longest makes room
        if full:
            number = min(rows, key=lambda row: row.seen).n
        row = LoginSession(user, number, now, now, person.user_agent, person.platform)
        changes = [DropSession(user, it.n, over) for it in rows if it.seen < over]
        batch = Batch((*changes, PutSession(row, new=not full)))
        return number if type(await self.store.commit(batch)) is Committed else 0

    async def _make_room(self, person: Person, identity: Identity) -> None:
        """Keep to the policy: refuse, or end those that are in the way."""
        if self.policy.policy == "many":
            return
        alone = self.policy.policy == "one"
        others = [
            session
            for session in await self.live(identity.user)
            if alone or session.platform == person.platform
        ]
        if others and self.policy.on_duplicate == "refuse":
            raise Refused(ELSEWHERE)
        if others:
            await self.end(others, elsewhere(self.now()))
