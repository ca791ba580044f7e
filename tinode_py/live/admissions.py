"""Tickets on several nodes: given out by the node to which its holder is sent, good at any.

The text of a ticket begins with the number of the node that has it: another one where it is shown
asks that node for it. So it is used once, wherever that is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs
import trio

from ..errors import Refused
from .tickets import Admission

if TYPE_CHECKING:
    from .hub import Hub

PATIENCE = 1.0  # seconds for another node
_DIGITS = 18  # of a number that may be a node's


@attrs.frozen
class Given:
    """A ticket, and the address of the node that has it; empty: it is this one."""

    ticket: str
    url: str = ""


@attrs.frozen(eq=False)
class Admissions:
    """Gives out tickets, and takes them back."""

    here: Hub

    def answerers(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What other nodes may ask, by the name of the question."""
        return {"give ticket": self._give_for, "take ticket": self._take_for}

    async def give(self, admission: Admission) -> Given:
        """A ticket of the node to which the user is to be sent; of this one, if that does not
        answer.
        """
        others = self.here.companions
        chosen = None if others is None else others.choose(admission.user)
        if others is None or chosen is None:
            return Given(self._give(admission))
        node, url = chosen
        ticket = await self._asked(node, "give ticket", **attrs.asdict(admission))
        return Given(ticket, url) if ticket else Given(self._give(admission))

    def _give(self, admission: Admission) -> str:
        here = self.here
        ticket = here.tickets.give(admission, here.random_bytes, here.now())
        return ticket if here.companions is None else f"{here.companions.number}.{ticket}"

    async def _give_for(self, **admission: Any) -> str:
        return self._give(Admission(**admission))

    def take_here(self, ticket: str) -> Admission | None:
        """What a ticket of this node is good for, once."""
        node, _, own = ticket.rpartition(".")
        if node and not (_is_number(node) and self._is_here(node)):
            return None
        return self.here.tickets.take(own, self.here.now())

    def _is_here(self, node: str) -> bool:
        others = self.here.companions
        return others is not None and node == str(others.number)

    async def take(self, ticket: str) -> Admission | None:
        """What a ticket of any other node is good for, once; None if it is good for nothing."""
        node = ticket.rpartition(".")[0]
        if not _is_number(node) or self._is_here(node):
            return None
        found = await self._asked(int(node), "take ticket", ticket=ticket)
        return Admission(**found) if found else None

    async def _take_for(self, ticket: str) -> dict[str, Any] | None:
        admission = self.take_here(ticket)
        return None if admission is None else attrs.asdict(admission)

    async def _asked(self, node: int, question: str, **arguments: Any) -> Any:
        """The answer of a node; None if there is none in time."""
        others = self.here.companions
        if others is not None:
            try:
                with trio.move_on_after(PATIENCE):
                    return await others.ask(node, question, **arguments)
            except Refused:
                pass
        return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS
