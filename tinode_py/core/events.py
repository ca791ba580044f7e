"""Events: what reaches a topic, from sessions, from other topics, and from inside the server."""

from __future__ import annotations

from typing import Literal

import msgspec

from ..access import Level
from ..audit import Actor
from ..records import Login
from ..wire.client_packets import Request
from ..wire.server_packets import Info, Pres


class Caller(msgspec.Struct, frozen=True):
    """The session that asks, and for whom. `actor` differs from `user` when root acts for
    someone else (`extra.obo`).
    """

    sid: str
    user: str
    level: Level
    actor: str
    user_agent: str = ""
    background: bool = False
    number: int = 0  # of his login
    language: str = ""
    by: Actor | None = None  # who has more than the user's own rights here, for the audit
    backend: bool = False  # a back end speaks for him

    @property
    def is_root(self) -> bool:
        return self.level is Level.ROOT

    @property
    def moderates(self) -> bool:
        """Root acts for somebody else, with root's rights and not with his."""
        return self.is_root and self.actor != self.user


class Asked(msgspec.Struct, frozen=True):
    """A client's request. `named` is the topic as the client called it."""

    caller: Caller
    request: Request
    named: str
    attachments: tuple[str, ...] = ()
    inside: bool = False  # asked with a {sub} that was granted, though nobody attached
    unseated: Literal["", "user", "system"] = ""  # by a back end, where nobody attaches: `seats`
    quiet: bool = False  # a session comes back to a topic that has moved: it is told no code
    shown: tuple[str, ...] = ()  # to `me`: of these contacts it was told that they are online


class Gone(msgspec.Struct, frozen=True):
    """A session's connection has ended, or its user left everything at once.

    `others`: sessions of which the same is true, taken together so that those who stay are
    told by as many packets as users have gone, and looked up once.
    """

    sid: str
    user_agent: str = ""
    others: tuple[str, ...] = ()

    @property
    def sids(self) -> tuple[str, ...]:
        return (self.sid, *self.others)


class Awake(msgspec.Struct, frozen=True):
    """A background session has lasted long enough to count as being here."""

    sid: str


class Active(msgspec.Struct, frozen=True):
    """On `me`: another of the user's sessions is the one that he uses now."""

    user_agent: str


class Woken(msgspec.Struct, frozen=True):
    """The time that the state asked to be woken at has come."""


class Presence(msgspec.Struct, frozen=True):
    """Another topic's state has changed: `on`, `off`, `ua`, `upd` of `src`, for a `me` topic
    (or, `upd` of a member, for a group). `ask`: the peer is asked to say `on` in turn.
    """

    src: str
    what: str
    user_agent: str = ""
    ask: bool = False


class Deliver(msgspec.Struct, frozen=True):
    """A ready packet for the sessions on `me`, except those in `skip`.

    `always`: passes even where the user's own mode on `me` has no P (acs, gone).
    """

    packet: Pres | Info
    skip: frozenset[str] = frozenset()
    always: bool = False


class ContactChanged(msgspec.Struct, frozen=True):
    """The user's subscription to `topic` is now in force with `mode`; None: it has ended.

    `address` is the topic as the user calls it. `quiet`: his sessions are not told that the
    contact is off for them now.
    """

    topic: str
    address: str
    mode: int | None
    quiet: bool = False


class Introduce(msgspec.Struct, frozen=True):
    """The first session came to `me`: exchange presence with the contacts."""


class UserEnded(msgspec.Struct, frozen=True):
    """A member's account was deleted: drop his sessions and his membership."""

    user: str


class Expire(msgspec.Struct, frozen=True):
    """Messages of before this time (ms) are to be deleted for all, some at a time."""

    before: int


class Suspended(msgspec.Struct, frozen=True):
    """A user's account was suspended, or is in force again."""

    user: str
    on: bool


class TopicEnded(msgspec.Struct, frozen=True):
    """The topic was deleted with its owner's account."""


class Confirmed(msgspec.Struct, frozen=True):
    """On `me`: an address of the user was confirmed, which makes a tag."""

    tag: str


class InboxGrew(msgspec.Struct, frozen=True):
    """On `me`: the user's inbox has new items."""


class Recheck(msgspec.Struct, frozen=True):
    """On `me`: word of messages may have been lost on the way here; look at what there is."""


class Brought(msgspec.Struct, frozen=True):
    """A back end brings a session into a room. If that cannot be, nobody is told."""

    caller: Caller


class NewLogin(msgspec.Struct, frozen=True):
    """{acc} of a session that may change this account: what the scheme made of its secret."""

    asked: Asked
    login: Login


class PublishIs(msgspec.Struct, frozen=True):
    """Whether clients may publish in the topic from now on, as a back end asks it."""

    asked: Asked
    on: bool


Notice = (
    Gone
    | Awake
    | Active
    | Woken
    | Presence
    | Deliver
    | ContactChanged
    | Introduce
    | UserEnded
    | Suspended
    | Expire
    | TopicEnded
    | Confirmed
    | InboxGrew
    | Recheck
    | Brought
    | NewLogin
    | PublishIs
)

Event = Asked | Notice
