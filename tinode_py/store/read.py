"""How each query is answered in SQL: a function per query, listed in `ARMS`.

Every one is driven by an index; a test reads the plans. Each is one statement, or a fixed
number of them, but for what `history` says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..ids import Kind, kind_of, p2p_users
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
from ..records import Contact, Login, Published, Subscription, Topic, User
from . import rows
from .audit import audit_before
from .credentials import confirmed_by, credentials_of
from .devices import channels_of, device_by_id, devices_of, unread_of
from .events import events_after, online_after
from .find import found_by_tags
from .history import deletions_in, message_at, messages_in, seq_since
from .inbox import inbox_of, inbox_users
from .keys import key_by_id, keys_after
from .lists import calls_after, edits_of, topics_after, users_after
from .retention import oldest_in, retention_of, retentions_after
from .scheduled import due_scheduled, scheduled_after
from .sessions import session_at, sessions_of
from .settings import stored_settings
from .statements import Row, Statements
from .uploads import loose_uploads, upload_by_id, uploaded_by
from .webhooks import dead_count, dead_letters_of, webhooks_after

T = TypeVar("T")

_USER = rows.selected("a", rows.USER_COLUMNS)
_LOGIN = f"SELECT {rows.selected('l', rows.LOGIN_COLUMNS)} FROM login AS l "
_TOPIC = rows.selected("t", rows.TOPIC_COLUMNS) + ", " + rows.selected("n", rows.TAIL_COLUMNS)
_SUBSCRIPTION = rows.selected("s", rows.SUBSCRIPTION_COLUMNS)

_ANSWER = "SELECT seq, ts FROM idem WHERE topic = ? AND user = ? AND key = ?"
_USERS = f"SELECT {_USER} FROM account AS a WHERE a.state <> 'del' AND a.id "
_TOPICS = f"""
SELECT {_TOPIC} FROM topic AS t CROSS JOIN topic_tail AS n ON n.topic = t.name WHERE t.name """

_CONTACTS = f"""
SELECT {_SUBSCRIPTION}, {_TOPIC}, {_USER}, coalesce(c.members, 0)
FROM subscription AS s
CROSS JOIN topic AS t
    ON t.name = {rows.conversation("s.topic")}
CROSS JOIN topic_tail AS n ON n.topic = t.name
LEFT JOIN account AS a ON a.id = s.peer AND a.state <> 'del'
LEFT JOIN membership AS c ON c.topic = t.name
WHERE s.user = ?1 AND (s.deleted = 0 OR (?2 > 0 AND s.deleted > ?2)) %s
ORDER BY n.touched DESC, s.topic"""
_ALL_CONTACTS = _CONTACTS % ""
_ONE_CONTACT = _CONTACTS % "AND s.topic = ?3"


# Terms are [number of the conjunct, tag]; -1 for tags that only raise the rank.
def _user(db: Statements, query: UserById) -> User | None:
    row = db.row(_USERS + "= ?", (query.user,))
    return None if row is None else rows.user_of(row)


def _users(db: Statements, query: UsersById) -> dict[str, User]:
    return _users_named(db, query.users)


def _users_named(db: Statements, names: tuple[str, ...]) -> dict[str, User]:
    found = db.rows(_USERS + "IN (SELECT value FROM json_each(?))", (rows.encoded(names),))
    return {row[0]: rows.user_of(row) for row in found}


def _login(db: Statements, query: LoginByName) -> Login | None:
    row = db.row(_LOGIN + "WHERE l.scheme = ? AND l.name = ?", (query.scheme, query.name))
    return None if row is None else rows.login_of(row)


def _logins(db: Statements, query: LoginsOf) -> tuple[Login, ...]:
    found = db.rows(_LOGIN + "WHERE l.user = ? ORDER BY l.scheme", (query.user,))
    return tuple(map(rows.login_of, found))


def _topic(db: Statements, query: TopicByName) -> Topic | None:
    row = db.row(_TOPICS + "= ?", (query.topic,))
    return None if row is None else rows.topic_of(row)


def _members(db: Statements, query: MembersOf) -> tuple[Subscription, ...]:
    found = db.rows(
        f"SELECT {_SUBSCRIPTION} FROM subscription AS s WHERE s.topic = ?1 "
        "AND (s.deleted = 0 OR ?2 <> 0) ORDER BY s.created, s.user",
        (query.topic, int(query.former)),
    )
    return tuple(map(rows.subscription_of, found))


def _subscription(db: Statements, query: SubscriptionOf) -> Subscription | None:
    row = db.row(
        f"SELECT {_SUBSCRIPTION} FROM subscription AS s WHERE s.topic = ? AND s.user = ?",
        (query.topic, query.user),
    )
    return None if row is None else rows.subscription_of(row)


def _contacts(db: Statements, query: ContactsOf) -> tuple[Contact, ...]:
    if query.topic:
        found = db.rows(_ONE_CONTACT, (query.user, query.since, query.topic))
    else:
        found = db.rows(_ALL_CONTACTS, (query.user, query.since))
    return tuple(map(_contact_of, found))


_TOPIC_AT = len(rows.SUBSCRIPTION_COLUMNS)
_PEER_AT = _TOPIC_AT + len(rows.TOPIC_COLUMNS) + len(rows.TAIL_COLUMNS)


def _contact_of(row: Row) -> Contact:
    return Contact(
        rows.subscription_of(row),
        rows.topic_of(row[_TOPIC_AT:_PEER_AT]),
        None if row[_PEER_AT] is None else rows.user_of(row[_PEER_AT:]),
        row[-1],
    )


def _find_query(db: Statements, query: FindQueryOf) -> bytes | None:
    row = db.row("SELECT CAST(query AS BLOB) FROM find_query WHERE user = ?", (query.user,))
    return None if row is None else row[0]


_SILENCED = """
SELECT id FROM account WHERE id IN (SELECT value FROM json_each(?)) AND state = 'susp'
ORDER BY id"""
_ACCOUNTS = (
    "SELECT id, created, last_seen FROM account WHERE id > ? AND state = 'ok' ORDER BY id LIMIT ?"
)


def _accounts(db: Statements, query: AccountsAfter) -> tuple[tuple[str, int, int], ...]:
    return tuple(db.rows(_ACCOUNTS, (query.after, query.limit)))


def _owner_of_tag(db: Statements, query: OwnerOfTag) -> str | None:
    row = db.row("SELECT owner FROM tag WHERE tag = ? ORDER BY owner LIMIT 1", (query.tag,))
    return None if row is None else row[0]


def _silenced_by(db: Statements, query: SilencedBy) -> tuple[str, ...]:
    users: tuple[str, ...]
    if kind_of(query.topic) is Kind.P2P:
        users = p2p_users(query.topic)
    else:
        row = db.row("SELECT owner FROM topic WHERE name = ?", (query.topic,))
        users = (row[0],) if row else ()
    found = db.rows(_SILENCED, (rows.encoded(users),))
    return tuple(user for (user,) in found)


def _groups(db: Statements, query: GroupsOwnedBy) -> dict[str, tuple[str, ...]]:
    owned = db.rows(
        "SELECT name FROM topic WHERE owner = ?1 AND owner <> '' "
        "AND name >= 'grp' AND name < 'grq' ORDER BY name",
        (query.user,),
    )
    return {name: _member_names(db, name) for (name,) in owned}


def _member_names(db: Statements, topic: str) -> tuple[str, ...]:
    found = db.rows(
        "SELECT user FROM subscription WHERE topic = ? AND deleted = 0 ORDER BY user", (topic,)
    )
    return tuple(row[0] for row in found)


def _answer_to(db: Statements, query: AnswerTo) -> Published | None:
    row = db.row(_ANSWER, (query.topic, query.user, query.key))
    return None if row is None else Published(*row)


def _secret(db: Statements, query: SecretNamed) -> bytes | None:
    row = db.row("SELECT value FROM secret WHERE name = ?", (query.name,))
    return None if row is None else row[0]


ARMS: Mapping[type[Query[Any]], Callable[[Statements, Any], Any]] = {
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
    MembersOf: _members,
    SubscriptionOf: _subscription,
    ContactsOf: _contacts,
    MessagesIn: messages_in,
    MessageAt: message_at,
    SeqSince: seq_since,
    DeletionsIn: deletions_in,
    FindByTags: found_by_tags,
    FindQueryOf: _find_query,
    AccountsAfter: _accounts,
    OwnerOfTag: _owner_of_tag,
    GroupsOwnedBy: _groups,
    SilencedBy: _silenced_by,
    SessionsOf: sessions_of,
    SessionAt: session_at,
    CredentialsOf: credentials_of,
    ConfirmedBy: confirmed_by,
    AnswerTo: _answer_to,
    InboxOf: inbox_of,
    InboxUsers: inbox_users,
    EventsAfter: events_after,
    WebhooksAfter: webhooks_after,
    DeadLettersOf: dead_letters_of,
    DeadCount: dead_count,
    OnlineAfter: online_after,
    CallsAfter: calls_after,
    DeviceById: device_by_id,
    DevicesOf: devices_of,
    UnreadOf: unread_of,
    ChannelsOf: channels_of,
    UploadById: upload_by_id,
    LooseUploads: loose_uploads,
    UploadedBy: uploaded_by,
    SecretNamed: _secret,
}


def answer(db: Statements, query: Query[T]) -> T:
    """The answer to one query, as of the latest commit."""
    result: T = ARMS[type(query)](db, query)
    return result
