"""A topic that goes to another node: whether it may, and what its sessions here take along.

Its task ends between two batches, with all that it was asked answered or still in its inbox.
Its state is read anew where it is then; what no store has, its sessions bring along.
"""

from __future__ import annotations

import attrs

from ..core.effects import Attached
from ..core.events import Caller, Woken
from ..core.me import MeState
from ..core.state import TopicState
from ..ids import Kind, kind_of
from .link import Link
from .rules import Item
from .runner import Runner

# A search is one user's, and where he is. Of rooms nothing is stored.
_KINDS = frozenset({Kind.GROUP, Kind.P2P, Kind.ME, Kind.SELF})


@attrs.frozen(eq=False)
class Seated:
    """A session of this node in a topic: as whom it would ask to be there, by which name.

    `had`: the last message that it got. `follows`: how far it has its inbox, on `me`.
    """

    link: Link
    caller: Caller
    named: str
    had: int
    follows: int | None


def may_move(runner: Runner) -> bool:
    """Whether a topic could be somewhere else as well. In a call, or with a change that is not in
    force yet, it has something in memory that others rely upon.
    """
    state = runner.state
    if kind_of(state.name) not in _KINDS:
        return False
    return not (isinstance(state, TopicState) and (state.call is not None or state.promises))


def leave(runner: Runner) -> None:
    """End a topic's task as soon as it is done with what it is at."""
    runner.leaving = True
    runner.inbox.mark("leaving", Item(Woken()))


def seated(runner: Runner) -> list[Seated]:
    """The sessions of this node that are in a topic."""
    state = runner.state
    follows = state.follows if isinstance(state, MeState) else {}
    found = []
    for item in state.attached:
        link = runner.links.get(item.sid)
        if link is not None and link.station is None:
            named = state.address(item.user, reader=item.reader)
            caller = _caller(item, link)
            found.append(Seated(link, caller, named, state.last_seq, follows.get(item.sid)))
    return found


def _caller(item: Attached, link: Link) -> Caller:
    return Caller(
        item.sid,
        item.user,
        item.level,
        item.user,
        user_agent=item.user_agent,
        background=item.background,
        number=link.number,
    )
