"""Members to which there is no link: whether their process has ended.

Then nobody need wait for their lease. What has to be seen for it, and why that is enough:
docs/decisions/0025.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping

import attrs
import trio

from ..store.coordination import Member
from .reach import is_refusal
from .strangers import IN_TIME

Connect = Callable[[str], Awaitable[trio.abc.Stream]]
PROBES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # seconds before each look at a node
QUIET = 0.3  # of a lease: three beats that did not come


@attrs.define(eq=False)
class Lookout:
    """That of node `me`, which others reach at `address`.

    `members` are the others, `linked` those of them to which there is a link; both are read
    whenever they matter. `bury` ends a membership, if the store agrees; whether it has ended.
    """

    me: int
    address: str
    connect: Connect
    bury: Callable[[int], Awaitable[bool]]
    members: Callable[[], Mapping[int, Member]]
    linked: Container[int]
    _looked_at: set[int] = attrs.field(factory=set)

    def quiet(self, lease: float) -> list[int]:
        """Members that are to be looked at: no beat of them has come for a while, there is no link
        to them, and nobody is at it.
        """
        return [
            it.id
            for it in self.members().values()
            if it.silent > QUIET * lease
            and it.id not in self.linked
            and it.id not in self._looked_at
        ]

    async def look(self, them: int) -> None:
        """Look at a member a few times, until it is none, or lives, or there is a link to it."""
        if them in self._looked_at:
            return
        self._looked_at.add(them)
        try:
            for pause in PROBES:
                await trio.sleep(pause)
                member = self.members().get(them)
                if member is None or them in self.linked:
                    return
                is_left = self._has_heir(member) or await self._refuses(member.address)
                if is_left is False or (is_left and await self.bury(them)):
                    return
        finally:
            self._looked_at.discard(them)

    def _has_heir(self, member: Member) -> bool:
        """Whether a later member has its address: two processes cannot listen there."""
        heirs = {it.id for it in self.members().values() if it.address == member.address}
        if self.address == member.address:
            heirs.add(self.me)
        return any(heir > member.id for heir in heirs)

    async def _refuses(self, address: str) -> bool | None:
        """Whether nobody listens there; None if that is not known."""
        with trio.move_on_after(IN_TIME):
            try:
                stream = await self.connect(address)
            except OSError as error:
                return is_refusal(error) or None
            await trio.aclose_forcefully(stream)
            return False
        return None
