"""What each query means, on dicts: a function per query, listed in `ARMS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec import structs

from ..ids import Kind, channel_of, group_of, kind_of, p2p_peer, p2p_users
from ..queries import (
    AccountsAfter,
    AnswerTo,
    CallsAfter,
    ChannelsOf,
    ConfirmedBy,
    ContactsOf,
    CredentialsOf,
    DeletionsIn,
    DeviceById,
    DevicesOf,
    EditsOf,
    FindByTags,
    FindQueryOf,
    GroupsOwnedBy,
    InboxOf,
    InboxUsers,
    LoginByName,
    LoginsOf,
    LooseUploads,
    MembersOf,
    MessageAt,
    MessagesIn,
    OldestIn,
    OwnerOfTag,
    Query,
    RetentionOf,
    SeqSince,
    SessionAt,
    SessionsOf,
    SilencedBy,
    SubscriptionOf,
    TopicByName,
    UnreadOf,
    UploadById,
    UploadedBy,
    UserById,
    UsersById,
)
from ..queries_backend import (
    AuditBefore,
    DeadCount,
    DeadLettersOf,
    DueScheduled,
    EventsAfter,
    KeyById,
    KeysAfter,
    OnlineAfter,
    RetentionsAfter,
    ScheduledAfter,
    SecretNamed,
    StoredSettings,
    TopicsAfter,
    UsersAfter,
    WebhooksAfter,
)
from ..ranges import listed
from ..records import (
    Contact,
    Credential,
    Deletions,
    Found,
    InboxItem,
    InboxPage,
    Login,
    LoginSession,
    Message,
    Published,
    Range,
    State,
    Subscription,
    Topic,
    User,
)
from .base import ALIAS, ALIAS_WEIGHT
from .memory_audit import audit_before
from .memory_devices import channels_of, device_by_id, devices_of, unread_of
from .memory_events import events_after, online_after
from .memory_keys import key_by_id, keys_after
from .memory_lists import calls_after, edits_of, topics_after, users_after
from .memory_retention import oldest_in, retention_of, retentions_after
from .memory_scheduled import due_scheduled, scheduled_after
from .memory_settings import stored_settings
from .memory_uploads import loose_uploads, upload_by_id, uploaded_by
from .memory_webhooks import dead_count, dead_letters_of, webhooks_after
from .tables import Tables

T = TypeVar("T")


def _live(tables: Tables, name: str) -> User | None:
    user = tables.users.rows.get(name)
    return None if user is None or user.state is State.DELETED else user


def _user(tables: Tables, query: UserById) -> User | None:
    return _live(tables, query.user)


def _users(tables: Tables, query: UsersById) -> dict[str, User]:
    found = ((name, _live(tables, name)) for name in query.users)
    return {name: user for name, user in found if user is not None}


def _login(tables: Tables, query: LoginByName) -> Login | None:
    return tables.logins.rows.get((query.scheme, query.name))


def _logins(tables: Tables, query: LoginsOf) -> tuple[Login, ...]:
    found = (login for login in tables.logins.rows.values() if login.user == query.user)
    return tuple(sorted(found, key=lambda login: login.scheme))


def _topic(tables: Tables, query: TopicByName) -> Topic | None:
    return tables.topics.rows.get(query.topic)


def _members(tables: Tables, query: MembersOf) -> tuple[Subscription, ...]:
    found = (
        sub
        for sub in tables.subscriptions.rows.values()
        if sub.topic == query.topic and (query.former or not sub.deleted)
    )
    return tuple(sorted(found, key=lambda sub: (sub.created, sub.user)))


def _subscription(tables: Tables, query: SubscriptionOf) -> Subscription | None:
    return tables.subscriptions.rows.get((query.topic, query.user))


def _contacts(tables: Tables, query: ContactsOf) -> tuple[Contact, ...]:
    found: list[Contact] = []
    for sub in tables.subscriptions.rows.values():
        listed = not sub.deleted or 0 < query.since < sub.deleted
        if sub.user == query.user and listed and query.topic in ("", sub.topic):
            found += _contact(tables, sub)
    return tuple(sorted(found, key=lambda c: (-c.topic.touched, c.subscription.topic)))


def _contact(tables: Tables, sub: Subscription) -> Iterator[Contact]:
    name = group_of(sub.topic) if sub.topic.startswith("chn") else sub.topic
    topic = tables.topics.rows.get(name)
    if topic is not None:
        p2p = name.startswith("p2p")
        peer = _live(tables, p2p_peer(name, sub.user)) if p2p else None
        yield Contact(sub, topic, peer, _count(tables, name))


def _messages(tables: Tables, query: MessagesIn) -> tuple[Message, ...]:
    topic = tables.topics.rows.get(query.topic)
    last = 0 if topic is None else topic.seq
    hidden = [
        item
        for (name, user, _), ranges in tables.deletions.rows.items()
        if name == query.topic and user == query.user
        for item in ranges
    ]
    page: list[Message] = []
    for asked in reversed(query.ranges):
        for seq in range(min(asked.hi - 1, last), max(asked.low, 1) - 1, -1):
            if len(page) >= query.limit:
                return tuple(page)
            message = tables.messages.rows.get((query.topic, seq))
            if message is not None and not any(r.low <= seq < r.hi for r in hidden):
                page.append(message)
    return tuple(page)


def _message(tables: Tables, query: MessageAt) -> Message | None:
    return tables.messages.rows.get((query.topic, query.seq))


def _seq_since(tables: Tables, query: SeqSince) -> int:
    found = (
        message.seq
        for message in tables.messages.rows.values()
        if message.topic == query.topic and message.ts >= query.ts
    )
    return min(found, default=0)


def _deletions(tables: Tables, query: DeletionsIn) -> Deletions | None:
    numbered: dict[int, list[Range]] = {}
    for (topic, user, delid), ranges in tables.deletions.rows.items():
        wanted = query.since <= delid and (not query.before or delid < query.before)
        if topic == query.topic and user in ("", query.user) and wanted and ranges:
            numbered.setdefault(delid, []).extend(ranges)
    taken: list[Range] = []
    clear = 0
    for delid in sorted(numbered):
        if taken and len(taken) + len(numbered[delid]) > query.limit:
            break
        taken += numbered[delid]
        clear = delid
    return Deletions(clear, listed(taken)) if taken else None


def _found(tables: Tables, query: FindByTags) -> tuple[Found, ...]:
    results = []
    for name, owner in tables.owners():
        if not name.startswith(("usr", "grp")):
            continue
        found = _match(tables, query, name, owner)
        if found is not None:
            results.append(found)
    results.sort(key=_rank)
    return tuple(results[: query.limit])


def _match(tables: Tables, query: FindByTags, name: str, owner: User | Topic) -> Found | None:
    visible = owner.state is not State.DELETED if query.any_state else owner.state is State.OK
    has = set(owner.tags)
    if query.required:
        fits = all(not has.isdisjoint(either) for either in query.required)
    else:
        fits = not has.isdisjoint(query.optional)
    if not visible or not fits or name == query.exclude:
        return None
    asked = {*query.optional, *(tag for either in query.required for tag in either)}
    tags = tuple(sorted(has & asked))
    seen = (owner.updated, owner.auth, owner.anon, owner.public, owner.trusted)
    if isinstance(owner, User):
        return Found(name, tags, *seen)
    return Found(name, tags, *seen, owner.channel, _count(tables, name))


def _count(tables: Tables, topic: str) -> int:
    if not topic.startswith("grp"):
        return 0
    names = (topic, channel_of(topic))
    return sum(not s.deleted for s in tables.subscriptions.rows.values() if s.topic in names)


def _rank(found: Found) -> tuple[int, int, str]:
    weight = sum(ALIAS_WEIGHT if tag.startswith(ALIAS) else 1 for tag in found.tags)
    return (-weight, -found.members, found.name)


def _find_query(tables: Tables, query: FindQueryOf) -> bytes | None:
    return tables.find_queries.rows.get(query.user)


def _accounts(tables: Tables, query: AccountsAfter) -> tuple[tuple[str, int, int], ...]:
    rows = (row for row in tables.users.rows.values() if row.state is State.OK)
    found = sorted((row.id, row.created, row.last_seen) for row in rows if row.id > query.after)
    return tuple(found[: query.limit])


def _owner_of_tag(tables: Tables, query: OwnerOfTag) -> str | None:
    names = (name for name, owner in tables.owners() if query.tag in owner.tags)
    return min(names, default=None)


def _silenced_by(tables: Tables, query: SilencedBy) -> tuple[str, ...]:
    topic = tables.topics.rows.get(query.topic)
    users: tuple[str, ...] = (topic.owner,) if topic else ()
    if kind_of(query.topic) is Kind.P2P:
        users = p2p_users(query.topic)
    rows = (tables.users.rows.get(user) for user in users)
    return tuple(sorted(row.id for row in rows if row and row.state is State.SUSPENDED))


def _groups(tables: Tables, query: GroupsOwnedBy) -> dict[str, tuple[str, ...]]:
    found = (t.name for t in tables.topics.rows.values() if query.user and t.owner == query.user)
    owned = sorted(name for name in found if name.startswith("grp"))
    return {name: _member_names(tables, name) for name in owned}


def _member_names(tables: Tables, topic: str) -> tuple[str, ...]:
    subs = tables.subscriptions.rows.values()
    return tuple(sorted(s.user for s in subs if s.topic == topic and not s.deleted))


def _secret(tables: Tables, query: SecretNamed) -> bytes | None:
    return tables.secrets.rows.get(query.name)


def _sessions(tables: Tables, query: SessionsOf) -> tuple[LoginSession, ...]:
    found = (s for s in tables.sessions.rows.values() if s.user == query.user)
    return tuple(sorted(found, key=lambda s: s.n))


def _session(tables: Tables, query: SessionAt) -> LoginSession | None:
    return tables.sessions.rows.get((query.user, query.n))


def _credentials(tables: Tables, query: CredentialsOf) -> tuple[Credential, ...]:
    found = (c for c in tables.credentials.rows.values() if c.user == query.user)
    return tuple(sorted(found, key=lambda c: (c.method, c.value)))


def _confirmed_by(tables: Tables, query: ConfirmedBy) -> str | None:
    asked = (query.method, query.value)
    rows = tables.credentials.rows.values()
    return next((c.user for c in rows if c.done and (c.method, c.value) == asked), None)


def _answer_to(tables: Tables, query: AnswerTo) -> Published | None:
    return tables.answers.rows.get((query.topic, query.user, query.key))


def _inbox(tables: Tables, query: InboxOf) -> InboxPage:
    page = tables.inboxes.rows.get(query.user, InboxPage(1, 0))
    if query.since < 1 or query.limit < 1:
        return structs.replace(page, items=())
    found = [item for item in page.items if item.n >= query.since][: query.limit]
    items = tuple(structs.replace(i, message=_visible(tables, query.user, i)) for i in found)
    return structs.replace(page, items=items)


def _visible(tables: Tables, user: str, item: InboxItem) -> Message | None:
    """The message of an item, unless it is gone for its user."""
    page = _messages(tables, MessagesIn(item.topic, user, (Range(item.seq, item.seq + 1),), 1))
    return page[0] if page and page[0].ts == item.ts else None


def _inbox_users(tables: Tables, query: InboxUsers) -> tuple[str, ...]:
    found = sorted(user for user in tables.inboxes.rows if user > query.after)
    return tuple(found[: query.limit])


ARMS: Mapping[type[Query[Any]], Callable[[Tables, Any], Any]] = {
    KeyById: key_by_id,
    OldestIn: oldest_in,
    RetentionOf: retention_of,
    RetentionsAfter: retentions_after,
    StoredSettings: stored_settings,
    DueScheduled: due_scheduled,
    ScheduledAfter: scheduled_after,
    AuditBefore: audit_before,
    UsersAfter: users_after,
    TopicsAfter: topics_after,
    EditsOf: edits_of,
    KeysAfter: keys_after,
    UserById: _user,
    UsersById: _users,
    LoginByName: _login,
    LoginsOf: _logins,
    TopicByName: _topic,
    SessionsOf: _sessions,
    SessionAt: _session,
    CredentialsOf: _credentials,
    ConfirmedBy: _confirmed_by,
    AnswerTo: _answer_to,
    InboxOf: _inbox,
    InboxUsers: _inbox_users,
    EventsAfter: events_after,
    WebhooksAfter: webhooks_after,
    DeadLettersOf: dead_letters_of,
    DeadCount: dead_count,
    OnlineAfter: online_after,
    CallsAfter: calls_after,
    MembersOf: _members,
    SubscriptionOf: _subscription,
    ContactsOf: _contacts,
    MessagesIn: _messages,
    MessageAt: _message,
    SeqSince: _seq_since,
    DeletionsIn: _deletions,
    FindByTags: _found,
    FindQueryOf: _find_query,
    AccountsAfter: _accounts,
    OwnerOfTag: _owner_of_tag,
    GroupsOwnedBy: _groups,
    SilencedBy: _silenced_by,
    DeviceById: device_by_id,
    DevicesOf: devices_of,
    UnreadOf: unread_of,
    ChannelsOf: channels_of,
    UploadById: upload_by_id,
    LooseUploads: loose_uploads,
    UploadedBy: uploaded_by,
    SecretNamed: _secret,
}


def answer(tables: Tables, query: Query[T]) -> T:
    """The answer to one query."""
    result: T = ARMS[type(query)](tables, query)
    return result
