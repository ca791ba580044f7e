"""Every question that the store answers, as data, each with the type of its answer.

A query is *bounded* (keys, or a page) unless it says otherwise: bounded ones are answered on
the caller's thread. Questions of the chat are here, those of back ends and operators in
`queries_backend`.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from .records import (
    Contact,
    Credential,
    Deletions,
    Device,
    Found,
    InboxPage,
    Login,
    LoginSession,
    Message,
    Published,
    Range,
    Subscription,
    Topic,
    Upload,
    User,
)

T = TypeVar("T")


class Query(msgspec.Struct, Generic[T], frozen=True):
    """A question whose answer is a T."""


class UserById(Query[User | None], frozen=True):
    """An account, also a suspended one; None if unknown or deleted."""

    user: str


class UsersById(Query[dict[str, User]], frozen=True):
    """Accounts by id, those unknown or deleted left out."""

    users: tuple[str, ...]


class AccountsAfter(Query[tuple[tuple[str, int, int], ...]], frozen=True):
    """Accounts in state ok, in order of their names, after `after`, at most `limit`: the user,
    when the account was made, when the user was last seen.
    """

    after: str
    limit: int


class LoginByName(Query[Login | None], frozen=True):
    scheme: str
    name: str


class LoginsOf(Query[tuple[Login, ...]], frozen=True):
    user: str


class TopicByName(Query[Topic | None], frozen=True):
    topic: str


class MembersOf(Query[tuple[Subscription, ...]], frozen=True):
    """All subscriptions of a topic, without channel readers. Unbounded.

    `former` adds those that have ended (`deleted` set). Ordered by time of creation.
    """

    topic: str
    former: bool = False


class SubscriptionOf(Query[Subscription | None], frozen=True):
    """One row, also one that has ended. `topic` may be `chn…`."""

    topic: str
    user: str


class ContactsOf(Query[tuple[Contact, ...]], frozen=True):
    """The contact list of a user: his live subscriptions with their topics. Unbounded.

    `since` > 0 adds those that ended after that time; `topic` (as in the subscription: `chn…`
    for a reader) narrows to one. Without rows whose topic is gone. Ordered by `touched`, newest
    first.
    """

    user: str
    since: int = 0
    topic: str = ""


class MessagesIn(Query[tuple[Message, ...]], frozen=True):
    """A page of history for one user, newest first, at most `limit` rows.

    Without what was deleted for all or for him. `ranges` are sorted and do not overlap; they
    are never expanded number by number.
    """

    topic: str
    user: str
    ranges: tuple[Range, ...]
    limit: int


class MessageAt(Query[Message | None], frozen=True):
    """One message, None if it never was or was deleted for all."""

    topic: str
    seq: int


class SeqSince(Query[int], frozen=True):
    """The lowest number of a message published at or after `ts`; 0 if there is none.

    The times in a topic must not run backwards; where they do, the answer may be a later number.
    """

    topic: str
    ts: int


class DeletionsIn(Query[Deletions | None], frozen=True):
    """What `user` must forget, of deletions numbered `since` up to, not including, `before`.

    `before=0`: no upper bound; None if nothing. Deletions are taken whole, the lowest number
    first, as long as they have at most `limit` ranges together (the first in any case), then
    merged and sorted. `clear` is the highest number taken: asking on from `clear + 1` misses
    nothing.
    """

    topic: str
    user: str
    since: int
    before: int
    limit: int


class SessionsOf(Query[tuple[LoginSession, ...]], frozen=True):
    """All logins of a user, also revoked ones, by number."""

    user: str


class SessionAt(Query[LoginSession | None], frozen=True):
    user: str
    n: int


class CredentialsOf(Query[tuple[Credential, ...]], frozen=True):
    """All addresses of a user, sorted by method and value."""

    user: str


class ConfirmedBy(Query[str | None], frozen=True):
    """Whose confirmed address this is."""

    method: str
    value: str


class AnswerTo(Query[Published | None], frozen=True):
    """What an earlier publication of the user with this key was answered."""

    topic: str
    user: str
    key: str


class InboxOf(Query[InboxPage], frozen=True):
    """A page of a user's inbox from number `since` on, in order, at most `limit` items.

    `since=0`: no items, only the bounds.
    """

    user: str
    since: int
    limit: int


class InboxUsers(Query[tuple[str, ...]], frozen=True):
    """Users who have an inbox, in order of their names, after `after`, at most `limit`."""

    after: str
    limit: int


class CallsAfter(Query[tuple[str, ...]], frozen=True):
    """Conversations in which a call rings or runs, in order of their names, after `after`."""

    after: str
    limit: int


class FindByTags(Query[tuple[Found, ...]], frozen=True):
    """Users and groups by exact tags. Unbounded.

    `required` is a conjunction of alternatives; `optional` tags count if `required` is empty
    (any one must match) and otherwise only raise the rank. Users are found by prefixed tags
    and plain ones alike. Users and topics are found only in state ok unless `any_state`, never
    in state del. Ordered by the number of matched tags, most first (an `alias:` counts for 20),
    then by members (a channel's readers are counted), at most `limit` rows; the matched tags
    of each are sorted. The user or topic named `exclude` is left out.
    """

    required: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...]
    exclude: str
    any_state: bool
    limit: int


class FindQueryOf(Query[bytes | None], frozen=True):
    """The persistent query of a user's `fnd` topic, as JSON text."""

    user: str


class OwnerOfTag(Query[str | None], frozen=True):
    """Who has a tag: `usr…` or `grp…`, the first by name; None if nobody has."""

    tag: str


class GroupsOwnedBy(Query[dict[str, tuple[str, ...]]], frozen=True):
    """The groups that a user owns, each with the users who are its members, sorted. Unbounded."""

    user: str


class SilencedBy(Query[tuple[str, ...]], frozen=True):
    """The suspended users for whose sake nobody may publish in a topic, sorted: of the two in a
    conversation of two, or the owner of a group.
    """

    topic: str


class DeviceById(Query[Device | None], frozen=True):
    id: str


class DevicesOf(Query[dict[str, tuple[Device, ...]]], frozen=True):
    """The devices of some users, the latest first; users without any are left out. Unbounded."""

    users: tuple[str, ...]


class UnreadOf(Query[dict[str, int]], frozen=True):
    """How many messages each user has not read, in all topics that he may read. Unbounded.

    Muted topics and what was deleted count, as they do in a contact list.
    """

    users: tuple[str, ...]


class ChannelsOf(Query[tuple[str, ...]], frozen=True):
    """The channels (`chn…`) that a user reads, those that he has muted left out. Unbounded."""

    user: str


class UploadById(Query[Upload | None], frozen=True):
    id: str


class LooseUploads(Query[tuple[str, ...]], frozen=True):
    """Uploads from before a time to which nothing refers, the oldest first, at most `limit`."""

    before: int
    limit: int


class UploadedBy(Query[int], frozen=True):
    """How many bytes somebody (`PutUpload.who`) has uploaded on a day."""

    who: str
    day: int


class EditsOf(Query[tuple[Message, ...]], frozen=True):
    """The messages that replace one of these (`head.replace`), by number, at most `limit`."""

    topic: str
    seqs: tuple[int, ...]
    limit: int


class OldestIn(Query[tuple[tuple[int, int], ...]], frozen=True):
    """Numbers and times of the oldest messages that a topic still has, at most `limit`."""

    topic: str
    limit: int


class RetentionOf(Query[int | None], frozen=True):
    """How many days a topic keeps its messages; None: nothing is said for it."""

    topic: str
