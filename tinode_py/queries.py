"""Every question that the store answers, as data, each with the type of its answer.

A query is *bounded* (keys, or a page) unless it says otherwise: bounded ones are answered on
the caller's thread.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import attrs

from .audit import AuditEntry
from .records import (
    ApiKey,
    Contact,
    Credential,
    DeadLetter,
    Deletions,
    Device,
    EventPage,
    Found,
    InboxPage,
    Login,
    LoginSession,
    Message,
    Published,
    Range,
    Scheduled,
    Subscription,
    Topic,
    Upload,
    User,
    Webhook,
)

T = TypeVar("T")


class Query(Generic[T]):
    """A question whose answer is a T."""


@attrs.frozen
class UserById(Query[User | None]):
    """An account, also a suspended one; None if unknown or deleted."""

    user: str


@attrs.frozen
class UsersById(Query[dict[str, User]]):
    """Accounts by id, those unknown or deleted left out."""

    users: tuple[str, ...]


@attrs.frozen
class AccountsAfter(Query[tuple[tuple[str, int, int], ...]]):
    """Accounts in state ok, in order of their names, after `after`, at most `limit`: the user,
    when the account was made, when the user was last seen.
    """

    after: str
    limit: int


@attrs.frozen
class LoginByName(Query[Login | None]):
    scheme: str
    name: str


@attrs.frozen
class LoginsOf(Query[tuple[Login, ...]]):
    user: str


@attrs.frozen
class TopicByName(Query[Topic | None]):
    topic: str


@attrs.frozen
class MembersOf(Query[tuple[Subscription, ...]]):
    """All subscriptions of a topic, without channel readers. Unbounded.

    `former` adds those that have ended (`deleted` set). Ordered by time of creation.
    """

    topic: str
    former: bool = False


@attrs.frozen
class SubscriptionOf(Query[Subscription | None]):
    """One row, also one that has ended. `topic` may be `chn…`."""

    topic: str
    user: str


@attrs.frozen
class ContactsOf(Query[tuple[Contact, ...]]):
    """The contact list of a user: his live subscriptions with their topics. Unbounded.

    `since` > 0 adds those that ended after that time; `topic` (as in the subscription: `chn…`
    for a reader) narrows to one. Without rows whose topic is gone. Ordered by `touched`, newest
    first.
    """

    user: str
    since: int = 0
    topic: str = ""


@attrs.frozen
class MessagesIn(Query[tuple[Message, ...]]):
    """A page of history for one user, newest first, at most `limit` rows.

    Without what was deleted for all or for him. `ranges` are sorted and do not overlap; they
    are never expanded number by number.
    """

    topic: str
    user: str
    ranges: tuple[Range, ...]
    limit: int


@attrs.frozen
class MessageAt(Query[Message | None]):
    """One message, None if it never was or was deleted for all."""

    topic: str
    seq: int


@attrs.frozen
class SeqSince(Query[int]):
    """The lowest number of a message published at or after `ts`; 0 if there is none.

    The times in a topic must not run backwards; where they do, the answer may be a later number.
    """

    topic: str
    ts: int


@attrs.frozen
class DeletionsIn(Query[Deletions | None]):
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


@attrs.frozen
class SessionsOf(Query[tuple[LoginSession, ...]]):
    """All logins of a user, also revoked ones, by number."""

    user: str


@attrs.frozen
class SessionAt(Query[LoginSession | None]):
    user: str
    n: int


@attrs.frozen
class CredentialsOf(Query[tuple[Credential, ...]]):
    """All addresses of a user, sorted by method and value."""

    user: str


@attrs.frozen
class ConfirmedBy(Query[str | None]):
    """Whose confirmed address this is."""

    method: str
    value: str


@attrs.frozen
class AnswerTo(Query[Published | None]):
    """What an earlier publication of the user with this key was answered."""

    topic: str
    user: str
    key: str


@attrs.frozen
class InboxOf(Query[InboxPage]):
    """A page of a user's inbox from number `since` on, in order, at most `limit` items.

    `since=0`: no items, only the bounds.
    """

    user: str
    since: int
    limit: int


@attrs.frozen
class InboxUsers(Query[tuple[str, ...]]):
    """Users who have an inbox, in order of their names, after `after`, at most `limit`."""

    after: str
    limit: int


@attrs.frozen
class EventsAfter(Query[EventPage]):
    """A page of the log from number `after` + 1 on, in order, at most `limit` events.

    A page ends before it is longer than `size` bytes, but has one event if there is one.
    Without `messages` those are left out.
    """

    after: int
    limit: int
    messages: bool = True
    size: int = 1 << 20


@attrs.frozen
class OnlineAfter(Query[tuple[str, ...]]):
    """Users who are online, as the log has it, in order of their names, after `after`."""

    after: str
    limit: int


@attrs.frozen
class WebhooksAfter(Query[tuple[Webhook, ...]]):
    """Webhooks in order of their numbers, after `after`, at most `limit`."""

    after: int
    limit: int


@attrs.frozen
class DeadLettersOf(Query[tuple[DeadLetter, ...]]):
    """What a webhook did not take, by number of event, after `after`, at most `limit`."""

    hook: int
    after: int
    limit: int


@attrs.frozen
class DeadCount(Query[int]):
    """How many events a webhook did not take, `changes.DEAD_KEPT` at most."""

    hook: int


@attrs.frozen
class FindByTags(Query[tuple[Found, ...]]):
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


@attrs.frozen
class FindQueryOf(Query[bytes | None]):
    """The persistent query of a user's `fnd` topic, as JSON text."""

    user: str


@attrs.frozen
class OwnerOfTag(Query[str | None]):
    """Who has a tag: `usr…` or `grp…`, the first by name; None if nobody has."""

    tag: str


@attrs.frozen
class GroupsOwnedBy(Query[dict[str, tuple[str, ...]]]):
    """The groups that a user owns, each with the users who are its members, sorted. Unbounded."""

    user: str


@attrs.frozen
class SilencedBy(Query[tuple[str, ...]]):
    """The suspended users for whose sake nobody may publish in a topic, sorted: of the two in a
    conversation of two, or the owner of a group.
    """

    topic: str


@attrs.frozen
class DeviceById(Query[Device | None]):
    id: str


@attrs.frozen
class DevicesOf(Query[dict[str, tuple[Device, ...]]]):
    """The devices of some users, the latest first; users without any are left out. Unbounded."""

    users: tuple[str, ...]


@attrs.frozen
class UnreadOf(Query[dict[str, int]]):
    """How many messages each user has not read, in all topics that he may read. Unbounded.

    Muted topics and what was deleted count, as they do in a contact list.
    """

    users: tuple[str, ...]


@attrs.frozen
class ChannelsOf(Query[tuple[str, ...]]):
    """The channels (`chn…`) that a user reads, those that he has muted left out. Unbounded."""

    user: str


@attrs.frozen
class UploadById(Query[Upload | None]):
    id: str


@attrs.frozen
class LooseUploads(Query[tuple[str, ...]]):
    """Uploads from before a time to which nothing refers, the oldest first, at most `limit`."""

    before: int
    limit: int


@attrs.frozen
class UploadedBy(Query[int]):
    """How many bytes somebody (`PutUpload.who`) has uploaded on a day."""

    who: str
    day: int


@attrs.frozen
class DueScheduled(Query[tuple[Scheduled, ...]]):
    """Messages to be sent later, those due first, at most `limit`."""

    limit: int


@attrs.frozen
class ScheduledAfter(Query[tuple[Scheduled, ...]]):
    """Messages that a key wants sent later, in order of their ids, after `after`."""

    key: str
    after: str
    limit: int


@attrs.frozen
class UsersAfter(Query[tuple[User, ...]]):
    """Accounts, also suspended ones, in order of their names, after `after`, at most `limit`."""

    after: str
    limit: int


@attrs.frozen
class TopicsAfter(Query[tuple[tuple[Topic, int], ...]]):
    """Groups and private chats in order of their names, after `after`, at most `limit`; of a
    group how many members and readers it has, else 0.
    """

    after: str
    limit: int


@attrs.frozen
class EditsOf(Query[tuple[Message, ...]]):
    """The messages that replace one of these (`head.replace`), by number, at most `limit`."""

    topic: str
    seqs: tuple[int, ...]
    limit: int


@attrs.frozen
class KeyById(Query[ApiKey | None]):
    """A key of the business API, also one that was revoked."""

    id: str


@attrs.frozen
class KeysAfter(Query[tuple[ApiKey, ...]]):
    """Keys in order of their ids, after `after`, at most `limit`."""

    after: str
    limit: int


@attrs.frozen
class AuditBefore(Query[tuple[AuditEntry, ...]]):
    """Entries of the audit with numbers below `n`, the latest first, at most `limit`."""

    n: int
    limit: int


@attrs.frozen
class OldestIn(Query[tuple[tuple[int, int], ...]]):
    """Numbers and times of the oldest messages that a topic still has, at most `limit`."""

    topic: str
    limit: int


@attrs.frozen
class RetentionOf(Query[int | None]):
    """How many days a topic keeps its messages; None: nothing is said for it."""

    topic: str


@attrs.frozen
class RetentionsAfter(Query[tuple[tuple[str, int], ...]]):
    """Topics for which something is said, in order, after `after`, each with its days."""

    after: str
    limit: int


@attrs.frozen
class StoredSettings(Query[tuple[tuple[str, bytes], ...]]):
    """The settings made at run time: keys in order, each with its value as JSON."""


@attrs.frozen
class SecretNamed(Query[bytes | None]):
    name: str
