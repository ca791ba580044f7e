"""Messages, topics and accounts that are deleted, on dicts."""

from __future__ import annotations

from msgspec import structs

from ..changes import DeleteMessages, DeleteTopic, DeleteUser, Stale
from ..ids import channel_of, group_of
from ..ranges import listed
from ..records import State
from .memory_devices import drop_devices
from .memory_uploads import forget_uploader, unlink_all, unlink_messages
from .tables import Refused, Tables


def delete_messages(tables: Tables, change: DeleteMessages) -> None:
    topic = tables.topics.rows.get(change.topic)
    if topic is None or topic.delid > change.delid:
        raise Refused(Stale())
    tables.topics.put(topic.name, structs.replace(topic, delid=change.delid))
    if change.ranges:
        key = (change.topic, change.user, change.delid)
        known = tables.deletions.rows.get(key, ())
        tables.deletions.put(key, listed([*known, *change.ranges]))
    _raise_clear(tables, change)
    if change.user:
        return
    for name, seq in list(tables.messages.rows):
        if name == change.topic and any(r.low <= seq < r.hi for r in change.ranges):
            tables.messages.drop((name, seq))
            tables.places.drop((name, seq))
    unlink_messages(tables, change.topic, change.ranges)


def _raise_clear(tables: Tables, change: DeleteMessages) -> None:
    names = (change.topic, channel_of(change.topic))
    for key, sub in list(tables.subscriptions.rows.items()):
        if change.user:
            meant = sub.topic in names and sub.user == change.user
        else:
            meant = sub.topic == change.topic and not sub.deleted
        if meant and sub.clear < change.delid:
            tables.subscriptions.put(key, structs.replace(sub, clear=change.delid))


def delete_topic(tables: Tables, change: DeleteTopic) -> None:
    name = change.topic
    tables.topics.drop(name)
    tables.retentions.drop(name)
    unlink_all(tables, name)
    for sub in list(tables.subscriptions.rows):
        if sub[0] in (name, channel_of(name)):
            tables.subscriptions.drop(sub)
    for message in list(tables.messages.rows):
        if message[0] == name:
            tables.messages.drop(message)
            tables.places.drop(message)
    for deletion in list(tables.deletions.rows):
        if deletion[0] == name:
            tables.deletions.drop(deletion)
    for key in list(tables.answers.rows):
        if key[0] == name:
            tables.answers.drop(key)


def delete_user(tables: Tables, change: DeleteUser) -> None:
    for key, login in list(tables.logins.rows.items()):
        if login.user == change.user:
            tables.logins.drop(key)
    drop_devices(tables, change.user)
    unlink_all(tables, change.user)
    forget_uploader(tables, change.user)
    tables.find_queries.drop(change.user)
    tables.inboxes.drop(change.user)
    for session in list(tables.sessions.rows):
        if session[0] == change.user:
            tables.sessions.drop(session)
    for credential in list(tables.credentials.rows):
        if credential[0] == change.user:
            tables.credentials.drop(credential)
    if change.hard:
        _remove_user(tables, change.user)
    else:
        _blank_user(tables, change.user, change.now)


def _remove_user(tables: Tables, user: str) -> None:
    topics = set()
    for name, member in list(tables.subscriptions.rows):
        if member == user:
            topics.add(group_of(name) if name.startswith("chn") else name)
            tables.subscriptions.drop((name, member))
    for key in list(tables.deletions.rows):
        if key[0] in topics and key[1] == user:
            tables.deletions.drop(key)
    tables.users.drop(user)


def _blank_user(tables: Tables, user: str, now: int) -> None:
    for key, sub in list(tables.subscriptions.rows.items()):
        if sub.user != user:
            continue
        if not sub.deleted:
            sub = structs.replace(sub, deleted=now, updated=now)
        tables.subscriptions.put(key, structs.replace(sub, private=None))
    account = tables.users.rows.get(user)
    if account is not None:
        blank = structs.replace(
            account,
            updated=now,
            state=State.DELETED,
            public=None,
            trusted=None,
            private=None,
            tags=(),
            last_seen=0,
            user_agent="",
        )
        tables.users.put(user, blank)
