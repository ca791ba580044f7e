"""Effects: what is done after the commit. The topic's task carries them out, in their order."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import msgspec

from ..access import Level
from ..records import Message, Subscription
from ..wire.server_packets import Ctrl, Data, Info, Meta, Pres
from .events import Notice


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
    (`pres msg`) to the members who are on `me` without being attached here. The `me` of each of
    `inboxes` is told that its inbox has grown.
    """

    message: Message
    skip: str = ""
    inboxes: tuple[str, ...] = ()


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
