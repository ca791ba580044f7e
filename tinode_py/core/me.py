"""The rules of a user's `me` topic: the account itself, the contact list, presence.

`MeState` mirrors the account's row and keeps book of the user's subscriptions (which belong
to their topics). `told` holds the contacts that the sessions here were told are online, so
that nobody hears the same news twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
from msgspec import structs

from .. import access, ids
from ..access import JOIN, PRES, READ
from ..changes import Change, DeleteUser, PutUser, SetSeen
from ..ids import Kind
from ..queries import ContactsOf, Query, UserById
from ..records import Contact, User
from ..wire.server_packets import Info, Pres
from .effects import (
    Agent,
    Attach,
    Broadcast,
    Contacts,
    Detach,
    Effect,
    Follows,
    Line,
    Online,
    Tell,
    Told,
)
from .events import Presence
from .state import Attachments


@attrs.define
class MeState:
    """A user's `me`. `user` None: there is no such account (any more)."""

    name: str
    user: User | None = None
    lines: dict[str, Line] = attrs.field(factory=dict)
    attached: Attachments = attrs.field(factory=Attachments)
    follows: dict[str, int] = attrs.field(factory=dict)  # sessions that follow the inbox
    online: bool = False
    off_at: int = 0
    user_agent: str = ""  # of the session that was active last
    told_agent: str = ""  # what contacts were told of it
    agent_at: int = 0  # when to tell them; 0: they know

    @property
    def account(self) -> User:
        """The account's row; only while there is one."""
        assert self.user is not None, self.name
        return self.user

    @property
    def last_seq(self) -> int:
        """Messages are not numbered here, or not kept."""
        return 0

    @property
    def is_void(self) -> bool:
        """Whether there is nothing of this name."""
        return self.user is None

    @property
    def wake_at(self) -> int:
        """When something is due here: an `off`, or word of a user agent; 0: nothing is."""
        return min((at for at in (self.off_at, self.agent_at) if at), default=0)

    @property
    def mode(self) -> int:
        return self.account.want & access.ME if self.user else 0

    def load(self, user: User | None, contacts: Iterable[Contact]) -> None:
        """Take the rows of the store; attached sessions and what they were told stay."""
        told = set(shown(self))
        self.user = user
        self.lines = {}
        for contact in contacts:
            sub = contact.subscription
            reader = ids.is_channel(sub.topic)
            name = contact.topic.name
            address = ids.seen_by(name, self.name, reader=reader)
            self.lines[name] = Line(name, address, sub.mode, name in told)

    def address(self, user: str, *, reader: bool = False) -> str:
        """The topic as its user calls it."""
        return ids.seen_by(self.name, user)

    def peers(self) -> Iterator[Line]:
        """Conversations of two whose other side may see the user come and go."""
        return (line for line in self.lines.values() if line.peer and line.mode & JOIN)

    def apply(self, change: Change) -> None:
        match change:
            case PutUser() if change.user.id == self.name:
                self.user = change.user
            case SetSeen() if change.user == self.name and self.user is not None:
                self.user = structs.replace(
                    self.user, last_seen=change.at, user_agent=change.user_agent
                )
            case DeleteUser() if change.user == self.name:
                self.user = None
            case _:
                pass  # rows of other topics are their business

    def follow(self, effect: Effect) -> None:
        """Keep the table of sessions in step with the effects that are carried out."""
        match effect:
            case Attach():
                self.attached.add(effect.attached)
                self.off_at = 0
            case Detach():
                self.attached.remove(effect.sid)
                self.follows.pop(effect.sid, None)
            case Online():
                self.online = effect.on
            case Told() if effect.topic in self.lines:
                line = self.lines[effect.topic]
                self.lines[effect.topic] = structs.replace(line, told=effect.online)
            case Agent():
                self.user_agent = effect.user_agent
                self.agent_at = effect.tell_at
                if effect.told:
                    self.told_agent = effect.user_agent
            case Follows(n=None):
                self.follows.pop(effect.sid, None)
            case Follows(n=int() as n):
                self.follows[effect.sid] = n
            case Contacts(line=None):
                self.lines.pop(effect.topic, None)
            case Contacts(line=Line() as line):
                self.lines[effect.topic] = line
            case _:
                pass  # the rest concerns others


def shown(state: MeState) -> tuple[str, ...]:
    """The contacts that the sessions here were told are online."""
    return tuple(line.topic for line in state.lines.values() if line.told)


def rows(name: str) -> tuple[Query[Any], Query[Any]]:
    """What must be fetched to load a `me` topic."""
    return UserById(name), ContactsOf(name)


def announce(
    state: MeState, what: str, user_agent: str = "", *, ask: bool = False
) -> Iterator[Tell]:
    """Tell every peer of the user's own presence."""
    for line in state.peers():
        yield Tell(line.peer, Presence(state.name, what, user_agent, ask))


def to_sessions(
    state: MeState, packet: Pres | Info, skip: frozenset[str] = frozenset()
) -> Iterator[Effect]:
    sids = tuple(item.sid for item in state.attached if item.sid not in skip)
    if sids:
        yield Broadcast(packet, sids)


def contact_on(state: MeState, line: Line, user_agent: str = "") -> Iterator[Effect]:
    """A contact came online: the sessions here are told once."""
    if not line.told and line.mode & PRES and state.mode & PRES:
        yield Told(line.topic, True)
        yield from to_sessions(state, Pres(topic="me", what="on", src=line.address, ua=user_agent))


def contact_off(state: MeState, line: Line, user_agent: str = "") -> Iterator[Effect]:
    """A contact is no longer online; told only to those who heard that it was."""
    if line.told:
        yield Told(line.topic, False)
    if line.told and state.mode & PRES:
        yield from to_sessions(state, Pres(topic="me", what="off", src=line.address, ua=user_agent))


def readable(mode: int) -> bool:
    """Whether the counters of a topic are for the user's eyes."""
    return mode & (JOIN | READ) == JOIN | READ


def is_group(line: Line) -> bool:
    return ids.kind_of(line.topic) is Kind.GROUP
