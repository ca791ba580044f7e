"""Lists that a back end pages through, and edits of messages, in the store in memory."""

from __future__ import annotations

import json

from ..ids import channel_of
from ..queries import CallsAfter, EditsOf
from ..queries_backend import TopicsAfter, UsersAfter
from ..records import Message, State, Topic, User
from .tables import Tables


def users_after(tables: Tables, query: UsersAfter) -> tuple[User, ...]:
    found = sorted(
        (row for row in tables.users.rows.values() if row.state is not State.DELETED),
        key=lambda row: row.id,
    )
    return tuple([row for row in found if row.id > query.after][: query.limit])


def topics_after(tables: Tables, query: TopicsAfter) -> tuple[tuple[Topic, int], ...]:
    names = sorted(name for name in tables.topics.rows if name[:3] in ("grp", "p2p"))
    later = [name for name in names if name > query.after][: query.limit]
    return tuple((tables.topics.rows[name], _members(tables, name)) for name in later)


def _members(tables: Tables, name: str) -> int:
    if not name.startswith("grp"):
        return 0
    places = (name, channel_of(name))
    return sum(1 for row in tables.subscriptions.rows.values()
               if row.topic in places and not row.deleted)  # fmt: skip


def calls_after(tables: Tables, query: CallsAfter) -> tuple[str, ...]:
    names = sorted(name for name, row in tables.topics.rows.items() if row.call is not None)
    return tuple([name for name in names if name > query.after][: query.limit])


def edits_of(tables: Tables, query: EditsOf) -> tuple[Message, ...]:
    wanted = {f":{seq}" for seq in query.seqs}
    found = [
        row for row in tables.messages.rows.values()
        if row.topic == query.topic and _replaced(row) in wanted
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda row: row.seq)[: query.limit])


def _replaced(message: Message) -> str:
    head = json.loads(message.head) if message.head else None
    return str(head.get("replace", "")) if isinstance(head, dict) else ""
