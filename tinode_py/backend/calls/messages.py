"""Requests and answers about messages.

Made by `python -m tinode_py.backend.making`: do not edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import attrs

from ..call import Call, given, place


@attrs.frozen
class Receiver:
    """How far a message came.

    - `user`: the receiver, as he was named.
    - `reached`: `delivered`: a live session has it; `stored`: it waits for him.
    """

    user: str
    reached: str


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
    ts: datetime | None
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
    - `receipt`: whether each receiver is looked up: in the answer, and with `sender` also told to
      the live sessions of the sender.
    - `at`: when to send it; then the answer has no results but the id to cancel it by.
    """

    content: Any
    from_: str = ""
    user: str | None = None
    users: tuple[str, ...] = ()
    topic: str | None = None
    head: Any = None
    attachments: tuple[str, ...] = ()
    idem: str = ""
    receipt: str = "none"
    at: datetime | None = None


@attrs.frozen
class SentMany:
    """What became of each message.

    - `messages`: in the order of the request. One that could not even be tried has one result
      with its status.
    """

    messages: tuple[Sent, ...]


@attrs.frozen
class OneScheduled:
    """A message that is to be sent later.

    - `id`: to cancel it by.
    - `at`: when it is due.
    - `message`: the request that sends it.
    """

    id: str
    at: datetime
    message: Any


@attrs.frozen
class ScheduledList:
    """Messages to be sent later, by id.

    - `items`: this page.
    - `next`: what to ask after for the page that follows; empty if there is none.
    """

    items: tuple[OneScheduled, ...]
    next: str

    def rows(self) -> tuple[OneScheduled, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


@attrs.frozen
class BroadcastSent:
    """Who was reached.

    - `users`: how many users.
    - `sessions`: how many live sessions.
    """

    users: int
    sessions: int


@attrs.frozen
class Revision:
    """One text that a message had.

    - `seq`: the number of the publication that brought it; the message's own for the first.
    - `ts`: when.
    - `content`: the text.
    """

    seq: int
    ts: datetime
    content: Any


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
    ts: datetime
    head: Any
    content: Any
    edited: datetime | None = None
    revisions: tuple[Revision, ...] = ()


@attrs.frozen
class History:
    """A page of history.

    - `messages`: the newest first. None though more follow: where hundreds of edits are newer.
    - `before`: what to ask with for the page that follows; 0 if there is none.
    """

    messages: tuple[OneMessage, ...]
    before: int

    def rows(self) -> tuple[OneMessage, ...]:
        return self.messages

    def onward(self) -> dict[str, Any]:
        return {"before": self.before} if self.before else {}


@attrs.frozen
class Edited:
    """An edit that was accepted.

    - `seq`: the number of the publication that carries it.
    """

    seq: int


@attrs.frozen
class DeletedMessages:
    """What a deletion was answered.

    - `number`: the deletion's own number in the topic.
    """

    number: int


def send_message(
    content: Any,
    *,
    from_: str = "",
    user: str | None = None,
    users: Sequence[str] = (),
    topic: str | None = None,
    head: Any = None,
    attachments: Sequence[str] = (),
    idem: str = "",
    receipt: str = "none",
    at: datetime | None = None,
) -> Call[Sent]:
    """Send a message as any user or as the system.

    - `content`: what the message says: text, or a Drafty document.
    - `from_`: the user who sends it; empty: the system.
    - `user`: one receiver, in their private conversation.
    - `users`: many receivers, each in a private conversation.
    - `topic`: a group, or a conversation of two by its own name.
    - `head`: the head of the message, an object.
    - `attachments`: addresses of uploads to which it refers, which are kept for its sake.
    - `idem`: a key that makes a repeat harmless for a day: the same answer, one message.
    - `receipt`: whether each receiver is looked up: in the answer, and with `sender` also told to
      the live sessions of the sender.
    - `at`: when to send it; then the answer has no results but the id to cancel it by.
    """
    return Call(
        "POST",
        "/v1/messages",
        Sent,
        body={
            "content": content,
            **given(
                ("from", from_, ""),
                ("user", user, None),
                ("users", users, ()),
                ("topic", topic, None),
                ("head", head, None),
                ("attachments", attachments, ()),
                ("idem", idem, ""),
                ("receipt", receipt, "none"),
                ("at", at, None),
            ),
        },
        keyed=True,
    )


def send_messages(messages: Sequence[Send]) -> Call[SentMany]:
    """Send up to 100 messages.

    - `messages`: each as if sent alone; one that is refused does not stop the others.
    """
    return Call("POST", "/v1/messages/batch", SentMany, body={"messages": messages}, keyed=True)


def list_scheduled(*, after: str = "", limit: int = 50) -> Call[ScheduledList]:
    """List what this key wants sent later.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/scheduled",
        ScheduledList,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )


def cancel_scheduled(id: str) -> Call[None]:
    """Cancel what this key wants sent later."""
    return Call("DELETE", place("/v1/scheduled/{id}", id=id), None, repeatable=True)


def broadcast(
    content: Any, *, head: Any = None, from_: str = "", tag: str = "", kept: bool = False
) -> Call[BroadcastSent]:
    """Tell everyone who is online, or all users with a tag.

    - `content`: what it says.
    - `head`: the head of the message, an object.
    - `from_`: the user who sends it; empty: the system.
    - `tag`: to the users who carry this tag; empty: to everyone online.
    - `kept`: as private messages, so that who is away reads it later; only with a `tag`. Else it
      is an {info} to live sessions, and gone.
    """
    return Call(
        "POST",
        "/v1/broadcast",
        BroadcastSent,
        body={
            "content": content,
            **given(
                ("head", head, None), ("from", from_, ""), ("tag", tag, ""), ("kept", kept, False)
            ),
        },
    )


def read_history(
    topic: str,
    *,
    user: str | None = None,
    before: int = 0,
    since: int = 0,
    limit: int = 50,
    edits: str = "folded",
) -> Call[History]:
    """Read history, as the log has it or as a user sees it.

    - `user`: as this user sees it; empty: as the log has it.
    - `before`: only messages with lower numbers; 0: from the last one on.
    - `since`: only messages with this number or a higher one.
    - `limit`: messages of this page.
    - `edits`: `folded`: an edited message once, with its latest text; `raw`: rows as stored.
    """
    return Call(
        "GET",
        place("/v1/topics/{topic}/messages", topic=topic),
        History,
        query=given(
            ("user", user, None),
            ("before", before, 0),
            ("since", since, 0),
            ("limit", limit, 50),
            ("edits", edits, "folded"),
        ),
        repeatable=True,
    )


def read_message(topic: str, seq: int) -> Call[OneMessage]:
    """Read one message."""
    return Call(
        "GET",
        place("/v1/topics/{topic}/messages/{seq}", topic=topic, seq=seq),
        OneMessage,
        repeatable=True,
    )


def edit_message(topic: str, seq: int, content: Any) -> Call[Edited]:
    """Replace a message's text, as its author.

    - `content`: the new text.
    """
    return Call(
        "PATCH",
        place("/v1/topics/{topic}/messages/{seq}", topic=topic, seq=seq),
        Edited,
        body={"content": content},
    )


def delete_message(topic: str, seq: int, *, user: str | None = None) -> Call[DeletedMessages]:
    """Delete a message, for all or for one user.

    - `user`: for this user alone; absent: for all.
    """
    return Call(
        "DELETE",
        place("/v1/topics/{topic}/messages/{seq}", topic=topic, seq=seq),
        DeletedMessages,
        query=given(("user", user, None)),
    )


def send_own_message(
    content: Any,
    *,
    user: str | None = None,
    topic: str | None = None,
    head: Any = None,
    attachments: Sequence[str] = (),
    idem: str = "",
) -> Call[Sent]:
    """Send a message.

    - `content`: what the message says.
    - `user`: the receiver, in their private conversation.
    - `topic`: a group; one of `user` and `topic`.
    - `head`: the head of the message, an object.
    - `attachments`: addresses of uploads to which it refers, which are kept for its sake.
    - `idem`: a key that makes a repeat harmless for a day.
    """
    return Call(
        "POST",
        "/v1/me/messages",
        Sent,
        body={
            "content": content,
            **given(
                ("user", user, None),
                ("topic", topic, None),
                ("head", head, None),
                ("attachments", attachments, ()),
                ("idem", idem, ""),
            ),
        },
        keyed=True,
    )


def read_own_history(
    topic: str, *, before: int = 0, since: int = 0, limit: int = 50, edits: str = "folded"
) -> Call[History]:
    """Read history.

    - `before`: only messages with lower numbers; 0: from the last one on.
    - `since`: only messages with this number or a higher one.
    - `limit`: messages of this page.
    - `edits`: `folded`: an edited message once, with its latest text; `raw`: rows as stored.
    """
    return Call(
        "GET",
        place("/v1/me/topics/{topic}/messages", topic=topic),
        History,
        query=given(
            ("before", before, 0),
            ("since", since, 0),
            ("limit", limit, 50),
            ("edits", edits, "folded"),
        ),
        repeatable=True,
    )


def edit_own_message(topic: str, seq: int, content: Any) -> Call[Edited]:
    """Replace the text of a message of one's own.

    - `content`: the new text.
    """
    return Call(
        "PATCH",
        place("/v1/me/topics/{topic}/messages/{seq}", topic=topic, seq=seq),
        Edited,
        body={"content": content},
    )


def delete_own_message(topic: str, seq: int, *, hard: bool = False) -> Call[DeletedMessages]:
    """Delete a message.

    - `hard`: for all, where the user may; else for himself.
    """
    return Call(
        "DELETE",
        place("/v1/me/topics/{topic}/messages/{seq}", topic=topic, seq=seq),
        DeletedMessages,
        query=given(("hard", hard, False)),
    )
