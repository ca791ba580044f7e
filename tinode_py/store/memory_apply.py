"""What each change means, on dicts: a function per change, listed in `ARMS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs

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
from ..records import InboxItem, InboxPage, Published, State
from .base import ALIAS
from .happened import facts, happened
from .memory_audit import purge_audit, put_audit
from .memory_delete import delete_messages, delete_topic, delete_user
from .memory_devices import drop_device, put_device
from .memory_events import purge_events, put_event, put_offline, put_online
from .memory_keys import put_key
from .memory_read import answer
from .memory_retention import put_retention
from .memory_scheduled import drop_scheduled, put_scheduled
from .memory_settings import put_secret, put_setting
from .memory_uploads import (
    drop_uploads,
    link_uploads,
    purge_uploaded,
    put_upload,
)
from .memory_webhooks import (
    drop_dead_letter,
    drop_webhook,
    move_webhook,
    put_dead_letter,
    put_webhook,
)
from .tables import Refused, Tables


def _claim_tags(tables: Tables, change: ClaimTags) -> None:
    unique = set(change.tags)
    for name, other in tables.owners():
        if name != change.owner and not unique.isdisjoint(other.tags):
            raise Refused(Conflict("tags"))


def _claim_alias(tables: Tables, owner: str, tags: tuple[str, ...]) -> None:
    if found := tuple(tag for tag in tags if tag.startswith(ALIAS)):
        _claim_tags(tables, ClaimTags(owner, found))


def _put_user(tables: Tables, change: PutUser) -> None:
    _claim_alias(tables, change.user.id, change.user.tags)
    tables.users.put(change.user.id, change.user)


def _set_seen(tables: Tables, change: SetSeen) -> None:
    user = tables.users.rows.get(change.user)
    if user is not None and user.state is not State.DELETED:
        seen = structs.replace(user, last_seen=change.at, user_agent=change.user_agent)
        tables.users.put(user.id, seen)


def _put_login(tables: Tables, change: PutLogin) -> None:
    login = change.login
    key = (login.scheme, login.name)
    known = tables.logins.rows.get(key)
    if known is not None and known.user != login.user:
        raise Refused(Conflict("auth"))
    for other in list(tables.logins.rows.values()):
        if (other.user, other.scheme) == (login.user, login.scheme):
            tables.logins.drop((other.scheme, other.name))
    tables.logins.put(key, login)


def _put_topic(tables: Tables, change: PutTopic) -> None:
    _claim_alias(tables, change.topic.name, change.topic.tags)
    tables.topics.put(change.topic.name, change.topic)


def _put_subscription(tables: Tables, change: PutSubscription) -> None:
    sub = change.subscription
    tables.subscriptions.put((sub.topic, sub.user), sub)


def _append_message(tables: Tables, change: AppendMessage) -> None:
    message = change.message
    topic = tables.topics.rows.get(message.topic)
    key = (message.topic, message.seq)
    if topic is None or message.seq != topic.seq + 1 or key in tables.messages.rows:
        raise Refused(Stale())
    touched = max(topic.touched, message.ts)
    tables.topics.put(topic.name, structs.replace(topic, seq=message.seq, touched=touched))
    tables.messages.put(key, message)
    tables.places.put(key, tables.next_event())
    for user in change.inboxes:
        _give_place(tables, user, InboxItem(0, message.topic, message.seq, message.ts))


def _give_place(tables: Tables, user: str, item: InboxItem) -> None:
    page = tables.inboxes.rows.get(user, InboxPage(1, 0))
    placed = structs.replace(item, n=page.last + 1)
    tables.inboxes.put(user, InboxPage(page.first, placed.n, (*page.items, placed)))


def _put_notice(tables: Tables, change: PutNotice) -> None:
    item = InboxItem(0, change.topic, 0, change.ts, change.kind, change.detail)
    _give_place(tables, change.user, item)


def _put_session(tables: Tables, change: PutSession) -> None:
    key = (change.session.user, change.session.n)
    if change.new and key in tables.sessions.rows:
        raise Refused(Conflict("session"))
    tables.sessions.put(key, change.session)


def _revoke_sessions(tables: Tables, change: RevokeSessions) -> None:
    for key, item in list(tables.sessions.rows.items()):
        if item.user == change.user and item.n != change.keep and not item.revoked:
            tables.sessions.put(key, structs.replace(item, revoked=change.now))


def _drop_session(tables: Tables, change: DropSession) -> None:
    row = tables.sessions.rows.get((change.user, change.n))
    if row is not None and row.seen < change.before:
        tables.sessions.drop((change.user, change.n))


def _drop_login(tables: Tables, change: DropLogin) -> None:
    tables.logins.drop((change.scheme, change.name))


def _put_credential(tables: Tables, change: PutCredential) -> None:
    item = change.credential
    others = (c for c in tables.credentials.rows.values() if c.user != item.user and c.done)
    if item.done and any((c.method, c.value) == (item.method, item.value) for c in others):
        raise Refused(Conflict("cred"))
    tables.credentials.put((item.user, item.method, item.value), item)


def _drop_credential(tables: Tables, change: DropCredential) -> None:
    tables.credentials.drop((change.user, change.method, change.value))


def _put_idem(tables: Tables, change: PutIdem) -> None:
    key = (change.topic, change.user, change.key)
    tables.answers.put(key, Published(change.seq, change.ts))


def _purge_idem(tables: Tables, change: PurgeIdem) -> None:
    for key, published in list(tables.answers.rows.items()):
        if published.ts < change.before:
            tables.answers.drop(key)


def _purge_inbox(tables: Tables, change: PurgeInbox) -> None:
    page = tables.inboxes.rows.get(change.user)
    if page is None:
        return
    kept = page.items
    while kept and kept[0].ts < change.before:
        kept = kept[1:]
    first = kept[0].n if kept else page.last + 1
    tables.inboxes.put(change.user, InboxPage(first, page.last, kept))


def _set_marks(tables: Tables, change: SetMarks) -> None:
    key = (change.topic, change.user)
    sub = tables.subscriptions.rows.get(key)
    if sub is not None:
        read, recv = max(sub.read, change.read), max(sub.recv, change.recv)
        tables.subscriptions.put(key, structs.replace(sub, read=read, recv=recv))


def _put_find_query(tables: Tables, change: PutFindQuery) -> None:
    if change.query is None:
        tables.find_queries.drop(change.user)
    else:
        tables.find_queries.put(change.user, change.query)


def _or(what: str, put: Callable[[Tables, Any], bool]) -> Callable[[Tables, Any], None]:
    def arm(tables: Tables, change: Any) -> None:
        if not put(tables, change):
            raise Refused(Conflict(what))

    return arm


ARMS: Mapping[type[Change], Callable[[Tables, Any], None]] = {
    PutUser: _put_user,
    SetSeen: _set_seen,
    ClaimTags: _claim_tags,
    PutLogin: _put_login,
    PutTopic: _put_topic,
    PutSubscription: _put_subscription,
    AppendMessage: _append_message,
    SetMarks: _set_marks,
    DeleteMessages: delete_messages,
    DeleteTopic: delete_topic,
    DeleteUser: delete_user,
    PutFindQuery: _put_find_query,
    PutSession: _put_session,
    RevokeSessions: _revoke_sessions,
    DropSession: _drop_session,
    DropLogin: _drop_login,
    PutCredential: _put_credential,
    DropCredential: _drop_credential,
    PutIdem: _put_idem,
    PurgeIdem: _purge_idem,
    PutNotice: _put_notice,
    PurgeInbox: _purge_inbox,
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
    PutSecret: put_secret,
}


def apply(tables: Tables, change: Change, now: int = 0) -> None:
    """Make one change and the events that it means, or raise Refused: the caller then undoes
    the batch.
    """
    asked = facts(change)
    before = None if asked is None else answer(tables, asked)
    ARMS[type(change)](tables, change)
    for event in happened(change, before, now):
        put_event(tables, event)
