"""How each change is written in SQL.

A function per change, listed in `ARMS`. Each runs inside a transaction that it neither begins
nor ends, and raises `BatchRefused` where the answer is not Committed: the caller then undoes
the batch. The two hot changes are written for many batches at once: `write_hot`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..changes import (
    AppendMessage,
    Change,
    ClaimTags,
    Conflict,
    DeleteMessages,
    DeleteTopic,
    DeleteUser,
    DropCredential,
    DropDevice,
    DropLogin,
    DropSession,
    DropUploads,
    LinkUploads,
    Outcome,
    PurgeIdem,
    PurgeInbox,
    PurgeUploaded,
    PutCredential,
    PutDevice,
    PutFindQuery,
    PutIdem,
    PutLogin,
    PutNotice,
    PutRetention,
    PutSession,
    PutSubscription,
    PutTopic,
    PutUpload,
    PutUser,
    RevokeSessions,
    SetMarks,
    SetSeen,
    Stale,
)
from ..changes_backend import (
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
from ..ids import channel_of
from ..ranges import listed, merged
from ..records import Range, State
from . import rows
from .audit import purge_audit, put_audit
from .base import ALIAS
from .credentials import drop_credential, put_credential
from .devices import drop_device, put_device
from .events import purge_events, put_event, put_offline, put_online
from .happened import facts, happened
from .hot import Hot
from .inbox import purge_inbox, put_notice
from .keys import put_key
from .read import answer
from .retention import put_retention
from .scheduled import drop_scheduled, put_scheduled
from .sessions import drop_session, put_session, revoke_sessions
from .settings import put_setting
from .statements import Statements
from .uploads import (
    drop_uploads,
    forget_uploader,
    link_uploads,
    purge_uploaded,
    put_upload,
    unlink_all,
    unlink_messages,
)
from .webhooks import (
    drop_dead_letter,
    drop_webhook,
    move_webhook,
    put_dead_letter,
    put_webhook,
)


class BatchRefused(Exception):
    """The batch must be undone and answered with `outcome`."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


_PUT_USER = rows.upsert("account", rows.USER_COLUMNS)
_PUT_LOGIN = rows.upsert("login", rows.LOGIN_COLUMNS, 2) + " WHERE login.user = excluded.user"
_PUT_TOPIC = rows.upsert("topic", rows.TOPIC_COLUMNS)
_PUT_TAIL = rows.upsert("topic_tail", rows.TAIL_COLUMNS)
_PUT_SUBSCRIPTION = rows.upsert("subscription", rows.SUBSCRIPTION_COLUMNS, 2)

_PUT_IDEM = rows.upsert("idem", ("topic", "user", "key", "seq", "ts"), 3)
_PUT_FIND_QUERY = rows.upsert("find_query", ("user", "query"))

_DROP_TAGS = """
DELETE FROM tag WHERE owner = ?1 AND tag NOT IN (SELECT value FROM json_each(?2))"""
_ADD_TAGS = """
INSERT INTO tag (tag, owner) SELECT value, ?1 FROM json_each(?2) WHERE true
ON CONFLICT (tag, owner) DO NOTHING"""

_LOG_DELETION = """
INSERT INTO deletion (topic, user, delid, low, hi, at)
SELECT ?1, ?2, ?3, CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), ?5
FROM json_each(?4) WHERE true
ON CONFLICT (topic, user, delid, low) DO UPDATE SET hi = max(deletion.hi, excluded.hi)"""
_WIPE = """
DELETE FROM message WHERE (topic, seq) IN (
    SELECT m.topic, m.seq FROM json_each(?2) AS r CROSS JOIN message AS m
    WHERE m.topic = ?1 AND m.seq >= CAST(r.value ->> 0 AS BIGINT)
        AND m.seq < CAST(r.value ->> 1 AS BIGINT))"""

# Hidden ranges from the last one that begins before `low` to the last that begins by `hi`.
_HIDDEN_NEAR = """
WHERE topic = ?1 AND user = ?2 AND low <= ?4 AND low >= (
    SELECT coalesce(max(low), 0) FROM hidden WHERE topic = ?1 AND user = ?2 AND low < ?3)"""
_HIDE = """
INSERT INTO hidden (topic, user, low, hi)
SELECT ?1, ?2, CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT) FROM json_each(?3)"""

_BLANK_USER = """
UPDATE account SET state = ?2, updated = ?3, public = NULL, trusted = NULL, private = NULL,
    tags = '[]', last_seen = 0, user_agent = '' WHERE id = ?1"""
_END_SUBSCRIPTIONS = """
UPDATE subscription SET deleted = ?2, updated = ?2, private = NULL
WHERE user = ?1 AND deleted = 0"""
_CLAIMED = """
SELECT 1 FROM tag WHERE tag IN (SELECT value FROM json_each(?)) AND owner <> ? LIMIT 1"""
_TOPICS_OF = f"(SELECT {rows.conversation('topic')} FROM subscription WHERE user = ?1)"
_BLANK_FORMER = """
UPDATE subscription SET private = NULL WHERE user = ?1 AND private IS NOT NULL"""


def _put_user(db: Statements, change: PutUser) -> None:
    db.run(_PUT_USER, rows.user_row(change.user))
    _put_tags(db, change.user.id, change.user.tags)


def _set_seen(db: Statements, change: SetSeen) -> None:
    db.run(
        "UPDATE account SET last_seen = ?2, user_agent = ?3 WHERE id = ?1 AND state <> 'del'",
        (change.user, change.at, change.user_agent),
    )


def _put_tags(db: Statements, owner: str, tags: tuple[str, ...]) -> None:
    listed = rows.encoded(tags)
    db.run(_DROP_TAGS, (owner, listed))
    if not tags:
        return
    aliases = [tag for tag in tags if tag.startswith(ALIAS)]
    if aliases:
        _refuse_claimed(db, owner, aliases)
    db.run(_ADD_TAGS, (owner, listed))


def _claim_tags(db: Statements, change: ClaimTags) -> None:
    _refuse_claimed(db, change.owner, change.tags)


def _refuse_claimed(db: Statements, owner: str, tags: Sequence[str]) -> None:
    if db.row(_CLAIMED, (rows.encoded(tags), owner)) is not None:
        raise BatchRefused(Conflict("tags"))


def _put_login(db: Statements, change: PutLogin) -> None:
    login = change.login
    db.run(
        "DELETE FROM login WHERE user = ? AND scheme = ? AND name <> ?",
        (login.user, login.scheme, login.name),
    )
    if db.run(_PUT_LOGIN, rows.login_row(login)) != 1:
        raise BatchRefused(Conflict("auth"))


def _put_topic(db: Statements, change: PutTopic) -> None:
    db.run(_PUT_TOPIC, rows.topic_row(change.topic))
    db.run(_PUT_TAIL, rows.tail_row(change.topic))
    _put_tags(db, change.topic.name, change.topic.tags)


def _put_subscription(db: Statements, change: PutSubscription) -> None:
    db.run(_PUT_SUBSCRIPTION, rows.subscription_row(change.subscription))


def _hot(db: Statements, change: AppendMessage | SetMarks) -> None:
    hot = Hot()
    if not (hot.add(change) and db.write_hot(hot)):
        raise BatchRefused(Stale())


def _delete_messages(db: Statements, change: DeleteMessages) -> None:
    raised = db.run(
        "UPDATE topic_tail SET delid = ?2 WHERE topic = ?1 AND delid <= ?2",
        (change.topic, change.delid),
    )
    if raised != 1:
        raise BatchRefused(Stale())
    fresh = listed(change.ranges)
    numbers = rows.encoded([(r.low, r.hi) for r in fresh])
    db.run(_LOG_DELETION, (change.topic, change.user, change.delid, numbers, change.now))
    if not change.user:
        db.run(
            "UPDATE subscription SET clear = ?2 WHERE topic = ?1 AND deleted = 0 AND clear < ?2",
            (change.topic, change.delid),
        )
        db.run(_WIPE, (change.topic, numbers))
        unlink_messages(db, change.topic, fresh)
        return
    db.run(
        "UPDATE subscription SET clear = max(clear, ?3) WHERE topic IN (?1, ?4) AND user = ?2",
        (change.topic, change.user, change.delid, channel_of(change.topic)),
    )
    if fresh:
        _hide(db, change.topic, change.user, merged(fresh))


def _hide(db: Statements, topic: str, user: str, fresh: tuple[Range, ...]) -> None:
    near = (topic, user, fresh[0].low, fresh[-1].hi)
    known = db.rows("SELECT low, hi FROM hidden" + _HIDDEN_NEAR, near)
    if known:
        db.run("DELETE FROM hidden" + _HIDDEN_NEAR, near)
    union = merged([*fresh, *(Range(low, hi) for low, hi in known)])
    listed = rows.encoded([(r.low, r.hi) for r in union])
    db.run(_HIDE, (topic, user, listed))


def _delete_topic(db: Statements, change: DeleteTopic) -> None:
    name = change.topic
    db.run("DELETE FROM tag WHERE owner = ?", (name,))
    db.run("DELETE FROM subscription WHERE topic IN (?, ?)", (name, channel_of(name)))
    for table in (
        *("membership", "message", "deletion", "hidden", "idem", "retention", "topic_tail"),
    ):
        db.run(f"DELETE FROM {table} WHERE topic = ?", (name,))
    db.run("DELETE FROM topic WHERE name = ?", (name,))
    unlink_all(db, name)


def _delete_user(db: Statements, change: DeleteUser) -> None:
    user = change.user
    db.run("DELETE FROM login WHERE user = ?", (user,))
    db.run("DELETE FROM tag WHERE owner = ?", (user,))
    for table in ("find_query", "credential", "session", "inbox", "inbox_tail", "device"):
        db.run(f"DELETE FROM {table} WHERE user = ?", (user,))
    unlink_all(db, user)
    forget_uploader(db, user)
    if change.hard:
        for table in ("deletion", "hidden"):
            db.run(f"DELETE FROM {table} WHERE user = ?1 AND topic IN {_TOPICS_OF}", (user,))
        db.run("DELETE FROM subscription WHERE user = ?", (user,))
        db.run("DELETE FROM account WHERE id = ?", (user,))
    else:
        db.run(_END_SUBSCRIPTIONS, (user, change.now))
        db.run(_BLANK_FORMER, (user,))
        db.run(_BLANK_USER, (user, State.DELETED.value, change.now))


def _put_find_query(db: Statements, change: PutFindQuery) -> None:
    if change.query is None:
        db.run("DELETE FROM find_query WHERE user = ?", (change.user,))
    else:
        db.run(_PUT_FIND_QUERY, (change.user, change.query.decode()))


def _drop_login(db: Statements, change: DropLogin) -> None:
    db.run("DELETE FROM login WHERE scheme = ? AND name = ?", (change.scheme, change.name))


def _put_session(db: Statements, change: PutSession) -> None:
    if not put_session(db, change):
        raise BatchRefused(Conflict("session"))


def _put_idem(db: Statements, change: PutIdem) -> None:
    db.run(_PUT_IDEM, (change.topic, change.user, change.key, change.seq, change.ts))


def _purge_idem(db: Statements, change: PurgeIdem) -> None:
    db.run("DELETE FROM idem WHERE ts < ?", (change.before,))


def _or(what: str, put: Callable[[Statements, Any], bool]) -> Callable[[Statements, Any], None]:
    def arm(db: Statements, change: Any) -> None:
        if not put(db, change):
            raise BatchRefused(Conflict(what))

    return arm


def _put_secret(db: Statements, change: PutSecret) -> None:
    db.run(
        "INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING",
        (change.name, change.value),
    )


ARMS: Mapping[type[Change], Callable[[Statements, Any], None]] = {
    PutUser: _put_user,
    SetSeen: _set_seen,
    ClaimTags: _claim_tags,
    PutLogin: _put_login,
    PutTopic: _put_topic,
    PutSubscription: _put_subscription,
    AppendMessage: _hot,
    SetMarks: _hot,
    DeleteMessages: _delete_messages,
    DeleteTopic: _delete_topic,
    DeleteUser: _delete_user,
    PutFindQuery: _put_find_query,
    PutSession: _put_session,
    RevokeSessions: revoke_sessions,
    DropSession: drop_session,
    DropLogin: _drop_login,
    PutCredential: _or("cred", put_credential),
    DropCredential: drop_credential,
    PutIdem: _put_idem,
    PurgeIdem: _purge_idem,
    PutNotice: put_notice,
    PurgeInbox: purge_inbox,
    PutOnline: put_online,
    PutOffline: put_offline,
    PurgeEvents: purge_events,
    PutWebhook: put_webhook,
    MoveWebhook: move_webhook,
    DropWebhook: drop_webhook,
    PutDeadLetter: put_dead_letter,
    DropDeadLetter: drop_dead_letter,
    PutDevice: put_device,
    DropDevice: drop_device,
    PutUpload: _or("quota", put_upload),
    LinkUploads: link_uploads,
    DropUploads: drop_uploads,
    PurgeUploaded: purge_uploaded,
    PutKey: _or("key", put_key),
    PutRetention: put_retention,
    PutSetting: put_setting,
    PutScheduled: _or("quota", put_scheduled),
    DropScheduled: drop_scheduled,
    PutAudit: put_audit,
    PurgeAudit: purge_audit,
    PutSecret: _put_secret,
}


def apply(db: Statements, change: Change, now: int = 0) -> None:
    """Write one change and the events that it means, or raise BatchRefused."""
    asked = facts(change)
    before = None if asked is None else answer(db, asked)
    ARMS[type(change)](db, change)
    for event in happened(change, before, now):
        put_event(db, event)
