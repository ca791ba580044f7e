"""The words in which the core speaks: events that come in, effects that go out.

Rules of this layer: no Trio, no SQL, no sockets, no clock. A topic's task hands an event, the
facts that it needs and an `Env` to a `decide` function and gets a `Decision`, or `Refused` is
raised and nothing has changed. Deciding never changes the state; applying the changes does.
The file is long because it is a list: whoever looks for a word finds all of them here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import attrs
import msgspec

from ..access import Level
from ..audit import Actor
from ..changes import Change
from ..config import Settings
from ..errors import Answer
from ..queries import Query
from ..records import Login, Message, Subscription
from ..wire.client_packets import Request
from ..wire.parts import Time
from ..wire.server_packets import Ctrl, Data, Info, Meta, Pres

Facts = Mapping[Query[Any], Any]


def _none() -> int:
    return 0


def _in_none(user: str) -> int:
    return 0


def _no_chance(length: int) -> bytes:
    raise RuntimeError("a decision left to chance was given none")


class Env(msgspec.Struct, frozen=True):
    """What a decision may know besides state, event and facts.

    `now` is milliseconds since 1970; `online` tells whether a user (`usr…`) or a group
    (`grp…`) is online as far as this server knows. `pushing`: somebody takes notifications, so
    that it is worth while to make some. `random_bytes` gives so many of them. `rooms`: in how
    many rooms there is somebody now; `rooms_of`: in how many of them a user is.
    """

    settings: Settings
    now: int
    online: Callable[[str], bool]
    pushing: bool = False
    random_bytes: Callable[[int], bytes] = _no_chance
    rooms: Callable[[], int] = _none
    rooms_of: Callable[[str], int] = _in_none


# --- events: what reaches a topic --------------------------------------------------------


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


# --- effects: what is done after the commit ----------------------------------------------


class Attached(msgspec.Struct, frozen=True):
    """A session in a topic's table, and in which role."""

    sid: str
    user: str
    level: Level
    reader: bool = False
    background: bool = False
    user_agent: str = ""


class Reply(msgspec.Struct, frozen=True):
    """One packet to one session."""

    sid: str
    packet: Ctrl | Meta | Data | Pres | Info


class Page(msgspec.Struct, frozen=True):
    """Stored messages to one session, each a {data}, in this order."""

    sid: str
    address: str  # the topic, as the session knows it
    messages: tuple[Message, ...]
    reader: bool  # of a channel: is not told who wrote


class Broadcast(msgspec.Struct, frozen=True):
    """One packet to some attached sessions; each sees the topic under his own name."""

    packet: Pres | Info
    sids: tuple[str, ...]


class Publish(msgspec.Struct, frozen=True):
    """A message to every attached session that may read, except `skip`; and word of it
    (`pres msg`) to the members who are on `me` without being attached here.
    """

    message: Message
    skip: str = ""


class Addressee(msgspec.Struct, frozen=True):
    """Who is notified, the topic as he calls it, and whether without a sound."""

    user: str
    topic: str
    silent: bool


class Push(msgspec.Struct, frozen=True):
    """A notification to users' devices, beside what their sessions hear.

    `payload` says what happened, all but when and where. `at_ease`: silent for those, too, who
    are on `me`.
    """

    payload: Mapping[str, str]
    to: tuple[Addressee, ...]
    at_ease: bool = False


class FollowChannel(msgspec.Struct, frozen=True):
    """A user's devices (or those named) get what is published in a channel, or no longer."""

    channel: str
    user: str
    on: bool
    devices: tuple[str, ...] = ()


class Attach(msgspec.Struct, frozen=True):
    """The session is in the table from now on. `reader`: the row of a channel's reader."""

    attached: Attached
    reader: Subscription | None = None


class Detach(msgspec.Struct, frozen=True):
    sid: str


class EndSessions(msgspec.Struct, frozen=True):
    """Tell sessions of a user that they are evicted, and close them; `last` comes last.

    All of them, or those of one login (`number`), or all but those of one (`keep`). `abruptly`:
    the connections end without a close, as in the reference those of an account that is
    suspended or over.
    """

    user: str
    packet: Ctrl
    last: str = ""
    number: int = 0
    keep: int = 0
    abruptly: bool = False


class Call(msgspec.Struct, frozen=True):
    """A call that rings (`accepted_at` 0) or runs. `ends_at`: when it has rung long enough.

    `look_at`: when to see whether its sessions have come back to a topic that was loaded anew; 0:
    there is no need, -1: soon.
    """

    seq: int  # of the invitation
    caller: str
    caller_sid: str
    content: bytes
    mime: str
    ends_at: int
    callee_sid: str = ""
    accepted_at: int = 0
    look_at: int = 0

    def has(self, sid: str) -> bool:
        """Whether the session takes part."""
        return sid in (self.caller_sid, self.callee_sid)

    def other(self, sid: str) -> str:
        return self.callee_sid if sid == self.caller_sid else self.caller_sid


class CallIs(msgspec.Struct, frozen=True):
    """The call of this conversation from now on; None: there is none."""

    call: Call | None


class Silenced(msgspec.Struct, frozen=True):
    """Nobody publishes here for the sake of a user, or (`on` False) no longer."""

    user: str
    on: bool


class Forget(msgspec.Struct, frozen=True):
    """A member's row is gone from the store: it is no longer mirrored."""

    user: str


class Deferred(msgspec.Struct, frozen=True):
    """A member's row has new modes, but those that he had stay in force until a moment."""

    user: str
    want: int
    given: int
    until: int  # ms


class Settled(msgspec.Struct, frozen=True):
    """The modes in a member's row are in force from now on."""

    user: str


class Told(msgspec.Struct, frozen=True):
    """On `me`: the sessions here were told that a contact is online, or no longer."""

    topic: str
    online: bool


class Line(msgspec.Struct, frozen=True):
    """On `me`: one subscription of the user, with its mode in force."""

    topic: str
    address: str
    mode: int
    told: bool = False

    @property
    def peer(self) -> str:
        """The other user of a p2p conversation, "" for any other topic."""
        return self.address if self.address.startswith("usr") else ""


class Contacts(msgspec.Struct, frozen=True):
    """On `me`: a line of the book of subscriptions is new, changed, or gone (`line` None)."""

    topic: str
    line: Line | None


class Tell(msgspec.Struct, frozen=True):
    """A notice to another topic if it is loaded; if not, nobody is there to hear."""

    topic: str
    notice: Notice


class Online(msgspec.Struct, frozen=True):
    """The topic (a user's `me`, a group) is online from now on, or no longer."""

    on: bool


class Retire(msgspec.Struct, frozen=True):
    """The topic is no more: unload it."""


@attrs.frozen
class SendCode:
    """A code on its way to a person. `purpose`: confirm (the address), reset (a password)."""

    method: str
    value: str
    code: str = attrs.field(repr=False)
    purpose: str = "confirm"
    language: str = ""


class Follows(msgspec.Struct, frozen=True):
    """On `me`: a session has the inbox up to `n` and wants what comes; None: no longer."""

    sid: str
    n: int | None


class Agent(msgspec.Struct, frozen=True):
    """On `me`: the user agent in use, and when to tell contacts of it (0: no need)."""

    user_agent: str
    tell_at: int = 0
    told: bool = False


class Kept(msgspec.Struct, frozen=True):
    """On `fnd`: the query of one session, JSON text."""

    sid: str
    query: bytes


Effect = (
    Reply
    | Page
    | Broadcast
    | Publish
    | Push
    | FollowChannel
    | Attach
    | Detach
    | EndSessions
    | CallIs
    | Silenced
    | Forget
    | Deferred
    | Settled
    | Told
    | Contacts
    | Agent
    | SendCode
    | Follows
    | Kept
    | Tell
    | Online
    | Retire
)


class Decision(msgspec.Struct, frozen=True):
    """What a request changes and causes. `then` is asked next, before all that waits."""

    changes: tuple[Change, ...] = ()
    effects: tuple[Effect, ...] = ()
    then: Asked | None = None

    def __add__(self, other: Decision) -> Decision:
        return Decision(
            self.changes + other.changes, self.effects + other.effects, other.then or self.then
        )


NOTHING = Decision()


def ctrl(
    env: Env,
    answer: Answer,
    asked: Asked | None = None,
    *,
    topic: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Ctrl:
    """The {ctrl} that answers a request: its id, and the topic as the requester knows it."""
    ident = getattr(asked.request, "id", "") if asked else ""
    name = topic if topic is not None else asked.named if asked else ""
    return Ctrl(
        code=answer.code,
        text=answer.text,
        ts=Time(env.now),
        id=ident,
        topic=name,
        params=dict(params) if params else None,
    )


def reply(
    env: Env,
    answer: Answer,
    asked: Asked,
    *,
    topic: str | None = None,
    params: Mapping[str, Any] | None = None,
) -> Reply:
    return Reply(asked.caller.sid, ctrl(env, answer, asked, topic=topic, params=params))
