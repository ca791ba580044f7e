"""Requests and answers about messages."""

from __future__ import annotations

from typing import Annotated, Literal

import attrs
import msgspec

from .operation import OWN, Operation
from .types import (
    NULL,
    Attachments,
    Json,
    Moment,
    Page,
    Sender,
    Short,
    TopicId,
    UserId,
    UserRef,
    Users,
)

Receipt = Literal["none", "answer", "sender"]
Reached = Literal["delivered", "stored", "unknown user", "refused"]


@attrs.frozen
class Send:
    """A message to one user, to many, or to a topic: exactly one of `user`, `users`, `topic`.

    - `content`: what the message says: text, or a Drafty document.
    - `from_`: the user who sends it; empty: the system.
    - `user`: one receiver, in their private conversation.
    - `users`: many receivers, each in a private conversation.
    - `topic`: a group, or a conversation of two by its own name.
    - `head`: the head of the message, an object.
    - `attachments`: addresses of uploads to which it refers, which are kept for its sake.
    - `idem`: a key that makes a repeat harmless for a day: the same answer, one message.
    - `receipt`: whether each receiver is looked up: in the answer, and with `sender` also told
      to the live sessions of the sender.
    - `at`: when to send it; then the answer has no results but the id to cancel it by.
    """

    content: Json
    from_: Sender = ""
    user: UserRef | None = None
    users: Users = ()
    topic: TopicId | None = None
    head: Json = NULL
    attachments: Attachments = ()
    idem: Short = ""
    receipt: Receipt = "none"
    at: Moment | None = None


@attrs.frozen
class Receiver:
    """How far a message came.

    - `user`: the receiver, as he was named.
    - `reached`: `delivered`: a live session has it; `stored`: it waits for him.
    """

    user: str
    reached: Reached


@attrs.frozen
class SentTo:
    """A message in one conversation.

    - `topic`: the conversation's own name.
    - `user`: the one receiver of a private message, as he was named.
    - `seq`: the message's number there; 0 if it is not kept, or was not sent.
    - `ts`: when.
    - `status`: 202 if it was accepted, else what refused it, as an HTTP status.
    - `detail`: why it was refused.
    - `receipts`: how far it came, if that was asked for.
    """

    topic: str
    user: str
    seq: int
    ts: Moment | None
    status: int
    detail: str
    receipts: tuple[Receiver, ...] = ()


@attrs.frozen
class Sent:
    """What became of a message, conversation by conversation.

    - `results`: in the order of the receivers.
    - `scheduled`: the id of what is to be sent later; empty if it was sent now.
    """

    results: tuple[SentTo, ...]
    scheduled: str = ""


@attrs.frozen
class SendMany:
    """Messages to be sent one after the other.

    - `messages`: each as if sent alone; one that is refused does not stop the others.
    """

    messages: Annotated[tuple[Send, ...], msgspec.Meta(min_length=1, max_length=100)]


@attrs.frozen
class SentMany:
    """What became of each message.

    - `messages`: in the order of the request. One that could not even be tried has one result
      with its status.
    """

    messages: tuple[Sent, ...]


@attrs.frozen
class HistoryPage:
    """A page of history, the newest message first.

    - `user`: as this user sees it; empty: as the log has it.
    - `before`: only messages with lower numbers; 0: from the last one on.
    - `since`: only messages with this number or a higher one.
    - `limit`: messages of this page.
    - `edits`: `folded`: an edited message once, with its latest text; `raw`: rows as stored.
    """

    user: UserRef | None = None
    before: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    since: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50
    edits: Literal["folded", "raw"] = "folded"


@attrs.frozen
class OwnHistoryPage:
    """A page of history, the newest message first.

    - `before`: only messages with lower numbers; 0: from the last one on.
    - `since`: only messages with this number or a higher one.
    - `limit`: messages of this page.
    - `edits`: `folded`: an edited message once, with its latest text; `raw`: rows as stored.
    """

    before: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    since: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 50
    edits: Literal["folded", "raw"] = "folded"


@attrs.frozen
class Revision:
    """One text that a message had.

    - `seq`: the number of the publication that brought it; the message's own for the first.
    - `ts`: when.
    - `content`: the text.
    """

    seq: int
    ts: Moment
    content: Json


@attrs.frozen
class OneMessage:
    """A message as it is kept.

    - `topic`: the conversation's own name.
    - `seq`: its number there.
    - `from_`: the user who sent it.
    - `ts`: when it was sent.
    - `head`: its head, null if it has none.
    - `content`: what it says, after the last edit.
    - `edited`: when it was edited last.
    - `revisions`: all its texts, the oldest first; empty if it was never edited.
    """

    topic: str
    seq: int
    from_: str
    ts: Moment
    head: Json
    content: Json
    edited: Moment | None = None
    revisions: tuple[Revision, ...] = ()


@attrs.frozen
class History:
    """A page of history.

    - `messages`: the newest first. None though more follow: where hundreds of edits are newer.
    - `before`: what to ask with for the page that follows; 0 if there is none.
    """

    messages: tuple[OneMessage, ...]
    before: int


@attrs.frozen
class Edit:
    """Another text for a message; its author sends it.

    - `content`: the new text.
    """

    content: Json


@attrs.frozen
class Edited:
    """An edit that was accepted.

    - `seq`: the number of the publication that carries it.
    """

    seq: int


@attrs.frozen
class Deletion:
    """For whom a message is deleted.

    - `user`: for this user alone; absent: for all.
    """

    user: UserRef | None = None


@attrs.frozen
class OwnDeletion:
    """For whom a message is deleted.

    - `hard`: for all, where the user may; else for himself.
    """

    hard: bool = False


@attrs.frozen
class DeletedMessages:
    """What a deletion was answered.

    - `number`: the deletion's own number in the topic.
    """

    number: int


@attrs.frozen
class OneScheduled:
    """A message that is to be sent later.

    - `id`: to cancel it by.
    - `at`: when it is due.
    - `message`: the request that sends it.
    """

    id: str
    at: Moment
    message: Json


@attrs.frozen
class ScheduledList:
    """Messages to be sent later, by id.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneScheduled, ...]
    next: str


@attrs.frozen
class OwnSend:
    """A message of the user himself.

    - `content`: what the message says.
    - `user`: the receiver, in their private conversation.
    - `topic`: a group; one of `user` and `topic`.
    - `head`: the head of the message, an object.
    - `attachments`: addresses of uploads to which it refers, which are kept for its sake.
    - `idem`: a key that makes a repeat harmless for a day.
    """

    content: Json
    user: UserId | None = None
    topic: TopicId | None = None
    head: Json = NULL
    attachments: Attachments = ()
    idem: Short = ""


@attrs.frozen
class Broadcast:
    """Word to everyone who is online, or to all users with a tag.

    - `content`: what it says.
    - `head`: the head of the message, an object.
    - `from_`: the user who sends it; empty: the system.
    - `tag`: to the users who carry this tag; empty: to everyone online.
    - `kept`: as private messages, so that who is away reads it later; only with a `tag`. Else it
      is an {info} to live sessions, and gone.
    """

    content: Json
    head: Json = NULL
    from_: Sender = ""
    tag: Short = ""
    kept: bool = False


@attrs.frozen
class BroadcastSent:
    """Who was reached.

    - `users`: how many users.
    - `sessions`: how many live sessions.
    """

    users: int
    sessions: int


_ONE = "/v1/topics/{topic}/messages/{seq}"
_MINE = "/v1/me/topics/{topic}/messages"

OPERATIONS = (
    Operation(
        "sendMessage", "POST", "/v1/messages", "messages:send",
        "Send a message as any user or as the system.", body=Send, answer=Sent, status=202,
    ),
    Operation(
        "sendMessages", "POST", "/v1/messages/batch", "messages:send",
        "Send up to 100 messages.", body=SendMany, answer=SentMany,
    ),
    Operation(
        "listScheduled", "GET", "/v1/scheduled", "messages:send",
        "List what this key wants sent later.", query=Page, answer=ScheduledList,
    ),
    Operation(
        "cancelScheduled", "DELETE", "/v1/scheduled/{id}", "messages:send",
        "Cancel what this key wants sent later.", status=204,
    ),
    Operation(
        "broadcast", "POST", "/v1/broadcast", "broadcast:send",
        "Tell everyone who is online, or all users with a tag.",
        body=Broadcast, answer=BroadcastSent,
    ),
    Operation(
        "readHistory", "GET", "/v1/topics/{topic}/messages", "messages:read",
        "Read history, as the log has it or as a user sees it.",
        query=HistoryPage, answer=History,
    ),
    Operation("readMessage", "GET", _ONE, "messages:read", "Read one message.", answer=OneMessage),
    Operation(
        "editMessage", "PATCH", _ONE, "messages:write",
        "Replace a message's text, as its author.", body=Edit, answer=Edited,
    ),
    Operation(
        "deleteMessage", "DELETE", _ONE, "messages:write",
        "Delete a message, for all or for one user.", query=Deletion, answer=DeletedMessages,
    ),
    Operation(
        "sendOwnMessage", "POST", "/v1/me/messages", OWN,
        "Send a message.", body=OwnSend, answer=Sent, status=202,
    ),
    Operation(
        "readOwnHistory", "GET", _MINE, OWN,
        "Read history.", query=OwnHistoryPage, answer=History,
    ),
    Operation(
        "editOwnMessage", "PATCH", _MINE + "/{seq}", OWN,
        "Replace the text of a message of one's own.", body=Edit, answer=Edited,
    ),
    Operation(
        "deleteOwnMessage", "DELETE", _MINE + "/{seq}", OWN,
        "Delete a message.", query=OwnDeletion, answer=DeletedMessages,
    ),
)  # fmt: skip
