"""Every durable change, as data. A store applies them; so does the topic's state in memory.

A record is owned by one task (a user's by his `me` topic, a subscription's by its topic), so
rows are replaced whole. Only what every publication touches is changed by parts, and what every
departure does. Changes of the
chat are here, those of back ends and operators in `changes_backend`.
"""

from __future__ import annotations

import msgspec

from .changes_backend import (
    DropDeadLetter,
    DropScheduled,
    DropWebhook,
    MoveWebhook,
    PurgeAudit,
    PurgeEvents,
    PutAudit,
    PutDeadLetter,
    PutKey,
    PutOffline,
    PutOnline,
    PutScheduled,
    PutSecret,
    PutSetting,
    PutWebhook,
)
from .records import (
    Credential,
    Device,
    Login,
    LoginSession,
    Message,
    Range,
    Subscription,
    Topic,
    Upload,
    User,
)

DEVICES_KEPT = 32  # of one user: old ones make room


class PutUser(msgspec.Struct, frozen=True):
    """Create or replace an account. Conflict if a unique tag (`alias:`) is someone else's."""

    user: User


class SetSeen(msgspec.Struct, frozen=True):
    """When an account was seen last, and with what; does nothing where there is none."""

    user: str
    at: int
    user_agent: str


class PutLogin(msgspec.Struct, frozen=True):
    """Create or replace a login; `(scheme, name)` is unique: Conflict if another user has it.

    A user has one login per scheme: an earlier one under another name ends.
    """

    login: Login


class PutTopic(msgspec.Struct, frozen=True):
    """Create or replace a topic. Conflict if a unique tag is someone else's.

    `seq`, `touched` and `delid` are written, too: they must be what the owner's earlier changes
    have made them.
    """

    topic: Topic


class ClaimTags(msgspec.Struct, frozen=True):
    """Conflict if somebody other than `owner` (a user or a group) has one of these tags.

    It comes before the change that gives them to him.
    """

    owner: str
    tags: tuple[str, ...]


class PutSubscription(msgspec.Struct, frozen=True):
    subscription: Subscription


class AppendMessage(msgspec.Struct, frozen=True):
    """Store a message and raise the topic's `seq` and `touched` with it.

    Refused as Stale if `seq` is not the topic's `seq` + 1, or the topic is gone: it has another
    owner. So numbers are dense, and none is given out twice, whatever was deleted.

    `inboxes` are the users in whose inbox it takes the next place.
    """

    message: Message
    inboxes: tuple[str, ...] = ()


class SetMarks(msgspec.Struct, frozen=True):
    """How far a user has received and read a topic. `topic` is `chn…` for a reader.

    Never lowers a mark; does nothing where there is no subscription.
    """

    topic: str
    user: str
    read: int
    recv: int


class DeleteMessages(msgspec.Struct, frozen=True):
    """Delete ranges of messages: for all (`user=""`: content is wiped), or for one user.

    The topic's `delid` becomes `delid`; Stale if it was higher, or the topic is gone. A soft
    deletion also raises the user's `clear`, a reader's too; one for all that of all members,
    not of a channel's readers. `topic` is never `chn…`.
    """

    topic: str
    delid: int
    user: str
    ranges: tuple[Range, ...]
    now: int


class DeleteTopic(msgspec.Struct, frozen=True):
    """Remove a topic, its subscriptions (readers', too), messages and deletions."""

    topic: str


class DeleteUser(msgspec.Struct, frozen=True):
    """End an account: its logins, its devices, its subscriptions, its tags.

    `hard` removes the rows, with what the user had deleted for himself; else the account stays
    with state `del`, its subscriptions as ended at `now`, both without personal data. Messages
    in others' topics and the peers' side of p2p topics stay. Topics that end with the account
    (groups that it owns, its notes) are ended by a DeleteTopic each, beside this change.
    """

    user: str
    hard: bool
    now: int


class PutFindQuery(msgspec.Struct, frozen=True):
    """Keep the persistent query of a user's `fnd` topic, JSON text; None: there is none."""

    user: str
    query: bytes | None


class PutSession(msgspec.Struct, frozen=True):
    """Create or replace a login. `new`: Conflict if the user has one of that number."""

    session: LoginSession
    new: bool = False


class RevokeSessions(msgspec.Struct, frozen=True):
    """End all logins of a user but one (`keep`; 0: all)."""

    user: str
    keep: int
    now: int


class DropSession(msgspec.Struct, frozen=True):
    """Forget a login that is long over: last seen before a time. Another may have the number."""

    user: str
    n: int
    before: int


class DropLogin(msgspec.Struct, frozen=True):
    """Take back a way to log in."""

    scheme: str
    name: str


class PutCredential(msgspec.Struct, frozen=True):
    """Create or replace an address. Conflict if it is confirmed as somebody else's."""

    credential: Credential


class DropCredential(msgspec.Struct, frozen=True):
    user: str
    method: str
    value: str


class PutIdem(msgspec.Struct, frozen=True):
    """Remember what a publication that its sender may repeat (`key`) was answered."""

    topic: str
    user: str
    key: str
    seq: int
    ts: int


class PurgeIdem(msgspec.Struct, frozen=True):
    """Forget the answers to publications from before a time."""

    before: int


class PutNotice(msgspec.Struct, frozen=True):
    """Give a notice the next place in a user's inbox. `detail` is a JSON object."""

    user: str
    topic: str
    kind: str
    ts: int
    detail: bytes


class PurgeInbox(msgspec.Struct, frozen=True):
    """Let go of what a user's inbox holds from before a time; numbers are not given out again."""

    user: str
    before: int


class PutDevice(msgspec.Struct, frozen=True):
    """Keep a device; it is nobody else's any more. Of one user the latest `DEVICES_KEPT` stay."""

    device: Device


class DropDevice(msgspec.Struct, frozen=True):
    """Forget a device, if it is this user's."""

    user: str
    id: str


class PutUpload(msgspec.Struct, frozen=True):
    """Keep what is known of an upload, and count it for who sent it (`who`) on this `day`.

    Conflict if he has then sent more than `limit` bytes that day; 0: no limit.
    """

    upload: Upload
    who: str
    day: int
    limit: int = 0


class LinkUploads(msgspec.Struct, frozen=True):
    """Message `seq` of a topic refers to uploads; with `seq` 0 they are the picture of a user
    or a group, and replace those before. Unknown ones are left out.

    A reference ends with the message (for all), the topic or the account.
    """

    owner: str
    seq: int
    uploads: tuple[str, ...]


class DropUploads(msgspec.Struct, frozen=True):
    """Forget uploads; those to which something refers stay."""

    uploads: tuple[str, ...]


class PurgeUploaded(msgspec.Struct, frozen=True):
    """Forget how much was sent on days before this one."""

    before: int


class PutRetention(msgspec.Struct, frozen=True):
    """How many days a topic keeps its messages; 0: for ever; None: as the settings say.

    Nothing happens if there is no such topic.
    """

    topic: str
    days: int | None


Change = (
    PutUser
    | SetSeen
    | PutLogin
    | PutTopic
    | ClaimTags
    | PutSubscription
    | AppendMessage
    | SetMarks
    | DeleteMessages
    | DeleteTopic
    | DeleteUser
    | PutFindQuery
    | PutSession
    | RevokeSessions
    | DropSession
    | DropLogin
    | PutCredential
    | DropCredential
    | PutIdem
    | PurgeIdem
    | PutNotice
    | PurgeInbox
    | PutOnline
    | PutOffline
    | PurgeEvents
    | PutWebhook
    | MoveWebhook
    | DropWebhook
    | PutDeadLetter
    | DropDeadLetter
    | PutDevice
    | DropDevice
    | PutUpload
    | LinkUploads
    | DropUploads
    | PurgeUploaded
    | PutKey
    | PutRetention
    | PutSetting
    | PutScheduled
    | DropScheduled
    | PutAudit
    | PurgeAudit
    | PutSecret
)


class Batch(msgspec.Struct, frozen=True):
    """What one task wants written at once: all of it or nothing.

    `now` is the time of the events that the changes leave in the log; 0: what the changes say.
    `patient`: nobody but the task that commits waits for it, so that a store may hold it back
    for some hundredths of a second, to write it together with others.
    """

    changes: tuple[Change, ...]
    now: int = 0
    patient: bool = False


class Committed(msgspec.Struct, frozen=True):
    """The batch is stored and synced."""


class Conflict(msgspec.Struct, frozen=True):
    """A unique name in the batch belongs to someone else; `what` is `auth`, `tags`, `cred` or
    `session`; or a bound was reached: `quota`.
    """

    what: str


class Stale(msgspec.Struct, frozen=True):
    """The writer no longer owns what it writes: it must drop its state and load again."""


Outcome = Committed | Conflict | Stale
