"""What the store keeps, as frozen records.

Times are milliseconds since 1970 in UTC; 0 means never. Fields named `public`, `private`,
`trusted`, `head`, `content` and `aux` hold JSON text as bytes, exactly as it came, or None.
"""

from __future__ import annotations

import enum

import attrs
import msgspec

from . import access


class State(enum.Enum):
    """The state of an account or a topic."""

    OK = "ok"
    SUSPENDED = "susp"
    UNDEFINED = "undef"
    DELETED = "del"


@attrs.frozen
class Device:
    """A device to which a user's notifications are pushed. `id` is what the client calls it."""

    id: str
    user: str
    platform: str = ""
    language: str = ""
    seen: int = 0  # when the user last came from it, give or take a day


@attrs.frozen
class Upload:
    """A file that was uploaded: what is known of it beside its bytes.

    `user` is empty if he had no account yet, or has none any more. `type` is its media type as
    it is told to those who fetch it, `etag` a digest of its bytes without quotes.
    """

    id: str
    user: str
    created: int
    size: int
    type: str
    etag: str


class Range(msgspec.Struct, frozen=True):
    """Message numbers from `low` up to, not including, `hi`."""

    low: int
    hi: int


class User(msgspec.Struct, frozen=True):
    """An account, with what belongs to its `me` topic."""

    id: str
    created: int
    updated: int
    state: State = State.OK
    auth: int = access.ACCOUNT_AUTH  # default access of others, by their level
    anon: int = access.NONE
    public: bytes | None = None
    trusted: bytes | None = None
    private: bytes | None = None
    tags: tuple[str, ...] = ()
    want: int = access.ME  # own mode on `me`; given is always JPS
    last_seen: int = 0
    user_agent: str = ""
    serial: int = 0  # raised when every token of this account must end


@attrs.frozen
class Login:
    """A way to log in: what `scheme` verifies under the unique name `name`.

    `secret` is an encoded hash, never a password. `level` is what the login grants.
    """

    scheme: str
    name: str
    user: str
    secret: str
    level: access.Level = access.Level.AUTH
    expires: int = 0


class Topic(msgspec.Struct, frozen=True):
    """A p2p conversation, a group, or a user's notes to himself."""

    name: str
    created: int
    updated: int
    touched: int = 0  # time of the last message, or of creation
    owner: str = ""
    state: State = State.OK
    channel: bool = False
    auth: int = access.NONE
    anon: int = access.NONE
    public: bytes | None = None
    trusted: bytes | None = None
    aux: bytes | None = None
    tags: tuple[str, ...] = ()
    seq: int = 0  # number of the last message
    delid: int = 0  # number of the last deletion, hard or soft
    readers: int = 0  # subscriptions to the channel address
    publish: bool = True  # whether clients may; else messages come from a back end
    call: bytes | None = None  # that rings or runs, as JSON

    def with_message(self, seq: int, ts: int) -> Topic:
        """The topic after a message. Written out: every publication comes here, and
        `attrs.evolve` takes six times as long.
        """
        return Topic(
            self.name, self.created, self.updated, ts, self.owner, self.state, self.channel,
            self.auth, self.anon, self.public, self.trusted, self.aux, self.tags, seq,
            self.delid, self.readers, self.publish, self.call,
        )  # fmt: skip


class Subscription(msgspec.Struct, frozen=True):
    """One user in one topic. Readers of a channel have `topic="chn…"`."""

    topic: str
    user: str
    created: int
    updated: int
    want: int
    given: int
    private: bytes | None = None
    read: int = 0
    recv: int = 0
    clear: int = 0  # number of the last deletion that concerned this user
    deleted: int = 0

    @property
    def mode(self) -> int:
        return self.want & self.given

    def with_marks(self, read: int, recv: int) -> Subscription:
        """The subscription after a receipt, written out as `Topic.with_message` is."""
        return Subscription(
            self.topic, self.user, self.created, self.updated, self.want, self.given,
            self.private, read, recv, self.clear, self.deleted,
        )  # fmt: skip


class Message(msgspec.Struct, frozen=True):
    """A published message. `content` is JSON text; `head` a JSON object or None."""

    topic: str
    seq: int
    sender: str
    ts: int
    head: bytes | None
    content: bytes


class Contact(msgspec.Struct, frozen=True):
    """One row of a user's contact list: his subscription beside the topic's own row.

    `peer` is the other user of a p2p conversation, None if that account is gone. `members`
    counts a group's members and its channel's readers.
    """

    subscription: Subscription
    topic: Topic
    peer: User | None = None
    members: int = 0


@attrs.frozen
class Found:
    """One result of a search: a user or a group as a stranger sees it, and which tags matched.

    `members`: of a group, a channel's readers among them.
    """

    name: str
    tags: tuple[str, ...]
    updated: int
    auth: int  # default access, by the level of who asks
    anon: int
    public: bytes | None = None
    trusted: bytes | None = None
    channel: bool = False
    members: int = 0


class LoginSession(msgspec.Struct, frozen=True):
    """A login of a user on one device: its number is in every token given out for it."""

    user: str
    n: int
    created: int
    seen: int
    user_agent: str = ""
    platform: str = ""
    revoked: int = 0  # when it was ended; its tokens are void since


@attrs.frozen
class ApiKey:
    """A key of the business API. `digest` is what is kept of its secret half.

    `topics` and `tags` narrow it to some groups, and to users and groups with such tags; empty:
    no limit. `rate` is in requests per second, 0 for any number.
    """

    id: str
    name: str
    digest: str = attrs.field(repr=False)
    scopes: tuple[str, ...]
    topics: tuple[str, ...]
    tags: tuple[str, ...]
    rate: int
    created: int
    revoked: int = 0
    former: str = attrs.field(default="", repr=False)  # digest of the secret before the last
    former_until: int = 0  # until when that one is good


@attrs.frozen
class Scheduled:
    """A message to be sent at a time. `key` is the key that asked, empty for an operator;
    `request` the JSON that sends it.
    """

    id: str
    key: str
    at: int
    request: bytes


@attrs.frozen
class Credential:
    """An address of a user. Until it is `done`, the code that confirms it is kept as a salted
    digest, with the number of wrong `tries`.
    """

    user: str
    method: str
    value: str
    created: int
    done: bool = False
    salt: str = ""
    digest: str = ""
    tries: int = 0


class Published(msgspec.Struct, frozen=True):
    """What a publication was answered: its number and time."""

    seq: int
    ts: int


class InboxItem(msgspec.Struct, frozen=True):
    """One place in a user's inbox: a message (`seq`), or a notice of some `kind`.

    `message` is None if it is gone for this user. `detail` is a JSON object, of notices only.
    """

    n: int
    topic: str
    seq: int
    ts: int
    kind: str = ""
    detail: bytes | None = None
    message: Message | None = None


class InboxPage(msgspec.Struct, frozen=True):
    """Items in order of `n`; `first` is the lowest number held, `last` the highest given out.

    Where nothing is held, `first` is `last + 1`.
    """

    first: int
    last: int
    items: tuple[InboxItem, ...] = ()


@attrs.frozen
class Event:
    """One thing that happened. `id` is its place in the order of commits.

    `message` is there with `message.stored` alone; `detail` is a JSON object or None.
    """

    id: int
    ts: int
    kind: str
    topic: str = ""
    user: str = ""
    detail: bytes | None = None
    message: Message | None = None


@attrs.frozen
class EventPage:
    """Events in their order. All from `first` on are kept, `last` is the highest given out.

    Whatever was asked for, there is no more of it up to `reached` than is in `events`.
    """

    first: int
    last: int
    reached: int
    events: tuple[Event, ...] = ()


@attrs.frozen
class Webhook:
    """Where events are posted. `kinds` and `topics` narrow them, empty: all.

    `done` is the number of the last event that was delivered, passed over, or given up;
    `failing` is the time since when nothing was taken, 0 while all is well. `former`, the secret
    before the last rotation, signs as well until `former_until`.
    """

    id: int
    created: int
    url: str
    secret: str = attrs.field(repr=False)
    kinds: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    active: bool = True
    done: int = 0
    failing: int = 0
    former: str = attrs.field(default="", repr=False)
    former_until: int = 0


@attrs.frozen
class DeadLetter:
    """An event that a webhook did not take; `data` is its JSON."""

    hook: int
    event: int
    kind: str
    at: int
    tries: int
    error: str
    data: bytes


class Deletions(msgspec.Struct, frozen=True):
    """What a user must forget: the highest deletion number, and what is deleted."""

    clear: int
    ranges: tuple[Range, ...]
