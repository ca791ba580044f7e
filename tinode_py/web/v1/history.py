"""Reading, editing and deleting messages."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from ... import ids
from ...access import Level
from ...core.heads import fields, replaced
from ...core.meta import PAGE
from ...errors import Refused
from ...live.asking import NAME, Asker, ask
from ...queries import EditsOf, MessageAt, MessagesIn
from ...records import Message, Range
from ...wire.client_packets import Del, Get, Pub
from ...wire.client_parts import GetData
from ...wire.parts import Json, SeqRange
from ...wire.times import time_text
from .backend import Backend, Call, Handler
from .people import is_p2p, named_user, system_user, topic_of
from .problem import Problem, refused
from .sending import check_publish, own_topic
from .shape_messages import (
    DeletedMessages,
    Edited,
    History,
    HistoryPage,
    OneMessage,
    OwnHistoryPage,
    Revision,
)
from .types import NULL

MOST_EDITS = 1000  # of the messages of one page
LOOKS, ROWS = 10, PAGE  # for a message before many edits; rows of each look but the first
_LAST = 2**31 - 1

# Rows from before a number (0: the last ones), so many at most, the newest first.
Look = Callable[[int, int], Awaitable[tuple[Message, ...]]]


async def read_history(call: Call) -> History:
    topic, page = await topic_of(call, call.path["topic"]), call.query
    user = ""
    if page.user is not None:
        user = await named_user(call, page.user)
        if not user:
            raise Problem(404, f"there is no user {page.user!r}")
    low = max(page.since, 1)

    async def look(before: int, limit: int) -> tuple[Message, ...]:
        high = min(before or _LAST, topic.seq + 1)
        if low >= high:
            return ()
        query = MessagesIn(topic.name, user, (Range(low, high),), limit)
        return await call.backend.store.fetch(query)

    return await _page(call, look, topic.name, user)


async def read_own_history(call: Call) -> History:
    """What {get data} of the user would give, edits folded."""
    page, user = call.query, call.caller.user
    named = call.path["topic"]
    topic, asker = own_topic_of(user, named), Asker(user, call.caller.level)

    async def look(before: int, limit: int) -> tuple[Message, ...]:
        wanted = GetData(since=page.since, before=before, limit=limit)
        request = Get(id=NAME, topic=named, what="data", data=wanted)
        answers = await ask(call.backend.hub, asker, topic, named, request)
        ctrl = answers.ctrl
        if ctrl and ctrl["code"] >= 300:
            answers.checked()
        numbers = [msgspec.json.decode(data["seq"]) for data in answers.of("data")]
        ranges = tuple(Range(seq, seq + 1) for seq in sorted(numbers))
        query = MessagesIn(topic, user, ranges, limit)
        return await call.backend.store.fetch(query) if ranges else ()

    return await _page(call, look, topic, user)


def own_topic_of(user: str, named: str) -> str:
    """The topic that a user calls so; 404 where there can be none."""
    if ids.is_user(named) and named != user:
        return ids.p2p_name(user, named)
    if ids.is_channel(named):
        return ids.group_of(named)
    if not (ids.is_group(named) or named.startswith("p2p")):
        raise Problem(404, f"there is no topic {named!r}")
    return own_topic(user, named)


async def _page(call: Call, look: Look, topic: str, user: str) -> History:
    rows, before = await chosen(call.query, look)
    raw = call.query.edits == "raw"
    changes = {} if raw else await _edits(call.backend, topic, user, [row.seq for row in rows])
    return History(tuple(shown(row, changes.get(row.seq, ())) for row in rows), before)


async def chosen(page: HistoryPage | OwnHistoryPage, look: Look) -> tuple[list[Message], int]:
    """The rows of a page, or the messages among them: where all are edits, those before them, as
    far as that is not too far to look. And from where on the next page is; 0: there is none.
    """
    rows, before, wanted = [], page.before, page.limit
    for _ in range(LOOKS):
        seen = await look(before, wanted)
        before = seen[-1].seq if len(seen) == wanted else 0
        rows = [row for row in seen if page.edits == "raw" or not _target(row)]
        if rows or not before:
            break
        wanted = ROWS
    if len(rows) > page.limit:
        rows = rows[: page.limit]
        before = rows[-1].seq
    return rows, before if before > max(page.since, 1) else 0


def _target(row: Message) -> int:
    """The message that this one replaces; 0 for none, or where the head is odd."""
    with contextlib.suppress(Refused):
        return replaced(row.head)
    return 0


async def _edits(
    backend: Backend, topic: str, user: str, seqs: Iterable[int]
) -> dict[int, list[Message]]:
    """The edits of some messages, by number, as far as the user has not deleted them."""
    rows = await backend.store.fetch(EditsOf(topic, tuple(seqs), MOST_EDITS))
    if user and rows:
        ranges = tuple(Range(row.seq, row.seq + 1) for row in rows)
        rows = (await backend.store.fetch(MessagesIn(topic, user, ranges, len(rows))))[::-1]
    found: dict[int, list[Message]] = {}
    for row in rows:
        found.setdefault(_target(row), []).append(row)
    return found


def shown(row: Message, edits: Sequence[Message] = ()) -> OneMessage:
    """A message with its latest text, and all that it had."""
    latest = edits[-1] if edits else row
    revisions = (row, *edits) if edits else ()
    return OneMessage(
        row.topic,
        row.seq,
        row.sender,
        time_text(row.ts),
        msgspec.Raw(row.head) if row.head else NULL,
        msgspec.Raw(latest.content),
        time_text(latest.ts) if edits else None,
        tuple(Revision(it.seq, time_text(it.ts), msgspec.Raw(it.content)) for it in revisions),
    )


async def read_message(call: Call) -> OneMessage:
    topic = await topic_of(call, call.path["topic"])
    row = await _message_at(call.backend, topic.name, call.path["seq"])
    changes = await _edits(call.backend, topic.name, "", [row.seq])
    return shown(row, changes.get(row.seq, ()))


async def _message_at(backend: Backend, topic: str, seq: str) -> Message:
    number = int(seq) if seq.isascii() and seq.isdecimal() and len(seq) < 11 else 0
    row = await backend.store.fetch(MessageAt(topic, number)) if 0 < number <= _LAST else None
    if row is None:
        raise Problem(404, f"there is no message {seq!r} in {topic}")
    return row


# --- editing -----------------------------------------------------------------------------


async def edit_message(call: Call) -> Edited:
    """An edit in the name of the message's author."""
    topic = await topic_of(call, call.path["topic"])
    row = await _message_at(call.backend, topic.name, call.path["seq"])
    system = row.sender == await system_user(call.backend)
    level = Level.ROOT if system else Level.AUTH
    asker = Asker(row.sender, level, system=system, by=call.caller.by)
    named = ids.p2p_peer(topic.name, row.sender) if is_p2p(topic.name) else topic.name
    return await _edited(call, asker, named, row)


async def edit_own_message(call: Call) -> Edited:
    caller, named = call.caller, call.path["topic"]
    check_publish(call)
    row = await _message_at(call.backend, own_topic_of(caller.user, named), call.path["seq"])
    if row.sender != caller.user:
        raise Problem(403, "only its author may edit a message")
    return await _edited(call, Asker(caller.user, caller.level, own=True), named, row)


async def _edited(call: Call, asker: Asker, named: str, row: Message) -> Edited:
    limit = call.backend.settings.limits.message_size
    content = bytes(call.body.content)
    if len(content) > limit:
        raise Problem(413, f"the content is longer than {limit} bytes")
    if _target(row):
        raise Problem(409, f"{row.seq} is itself an edit, of {_target(row)}")
    head = {name: value for name, value in fields(row.head).items() if name != "sender"}
    head["replace"] = msgspec.Raw(msgspec.json.encode(f":{row.seq}"))
    request = Pub(id=NAME, topic=named, head=Json(msgspec.json.encode(head)), content=Json(content))
    answers = await ask(call.backend.hub, asker, row.topic, named, request)
    return Edited(answers.checked().ctrl["params"]["seq"])


# --- deleting ----------------------------------------------------------------------------


async def delete_message(call: Call) -> DeletedMessages:
    """For all as the system does it, or for one user in his own name."""
    topic = await topic_of(call, call.path["topic"])
    row = await _message_at(call.backend, topic.name, call.path["seq"])
    if call.query.user is None:
        system = await system_user(call.backend)
        asker = Asker(system, Level.ROOT, actor="operator", system=True, by=call.caller.by)
        return await _deleted(call.backend, asker, topic.name, topic.name, row.seq, hard=True)
    user = await named_user(call, call.query.user)
    if not user:
        raise Problem(404, f"there is no user {call.query.user!r}")
    asker = Asker(user, by=call.caller.by)
    return await _deleted(call.backend, asker, topic.name, topic.name, row.seq, hard=False)


async def delete_own_message(call: Call) -> DeletedMessages:
    caller, named = call.caller, call.path["topic"]
    topic = own_topic_of(caller.user, named)
    row = await _message_at(call.backend, topic, call.path["seq"])
    asker = Asker(caller.user, caller.level, own=True)
    return await _deleted(call.backend, asker, topic, named, row.seq, hard=call.query.hard)


async def _deleted(
    backend: Backend, asker: Asker, topic: str, named: str, seq: int, *, hard: bool
) -> DeletedMessages:
    ranges = (SeqRange(low=seq),)
    request = Del(id=NAME, topic=named, what="msg", delseq=ranges, hard=hard)
    try:
        answers = (await ask(backend.hub, asker, topic, named, request)).checked()
    except Refused as no:
        raise refused(no) from None
    return DeletedMessages(answers.ctrl["params"]["del"])


HANDLERS: Mapping[str, Handler] = {
    "readHistory": read_history,
    "readOwnHistory": read_own_history,
    "readMessage": read_message,
    "editMessage": edit_message,
    "editOwnMessage": edit_own_message,
    "deleteMessage": delete_message,
    "deleteOwnMessage": delete_own_message,
}
