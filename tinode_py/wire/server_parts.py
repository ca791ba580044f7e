"""Parts of what clients are sent: descriptions, rows, pages of the inbox. Rules in `parts`."""

from __future__ import annotations

import attrs

from .parts import Acs, DefAcs, Json, SeqRange, Time


@attrs.frozen
class Timestamp:
    """A time among `Ctrl.params`."""

    at: int


@attrs.frozen
class RawJson:
    """JSON text among `Ctrl.params`."""

    text: bytes


@attrs.frozen
class Seen:
    """- `when`: when the user was last online.
    - `ua`: with which client.
    """

    when: Time
    ua: str = ""


@attrs.frozen
class Desc:
    """A topic's description as one user sees it.

    - `created`, `updated`: of the topic.
    - `touched`: time of the last message.
    - `state`: of an account, for root.
    - `online`: whether somebody is there.
    - `chan`: whether the group is a channel, too.
    - `seen`: when and with what the peer was last online.
    - `defacs`: default access modes.
    - `acs`: the user's own access mode.
    - `seq`: the highest message number.
    - `read`, `recv`: the highest number that the user has read, received.
    - `clear`: the highest deletion number.
    - `subcnt`: how many subscribers.
    - `public`, `trusted`, `private`: as in SetDesc.
    """

    created: Time | None = None
    updated: Time | None = None
    touched: Time | None = None
    state: str = ""
    online: bool = False
    chan: bool = False
    seen: Seen | None = None
    defacs: DefAcs | None = None
    acs: Acs | None = None
    seq: int = 0
    read: int = 0
    recv: int = 0
    clear: int = 0
    subcnt: int = 0
    public: Json | None = None
    trusted: Json | None = None
    private: Json | None = None


@attrs.frozen
class SubRow:
    """One subscription in a list: a member of a topic, or a contact on `me`.

    - `user`: the member.
    - `topic`: the contact.
    - `updated`, `deleted`: of the subscription.
    - `touched`: time of the last message.
    - `online`: whether he, or somebody in it, is online.
    - `acs`: the access mode.
    - `seq`: the highest message number.
    - `read`, `recv`: the highest number read, received.
    - `clear`: the highest deletion number.
    - `subcnt`: how many subscribers.
    - `public`, `trusted`, `private`: as in SetDesc.
    - `seen`: when and with what the contact was last online.
    """

    user: str = ""
    topic: str = ""
    updated: Time | None = None
    deleted: Time | None = None
    touched: Time | None = None
    online: bool = False
    acs: Acs | None = None
    seq: int = 0
    read: int = 0
    recv: int = 0
    clear: int = 0
    subcnt: int = 0
    public: Json | None = None
    trusted: Json | None = None
    private: Json | None = None
    seen: Seen | None = None


@attrs.frozen
class DelValues:
    """- `clear`: the highest deletion number.
    - `delseq`: what is deleted.
    """

    clear: int = 0
    delseq: tuple[SeqRange, ...] = ()


@attrs.frozen
class InboxItem:
    """One private message, or one notice, in a user's inbox (an extension).

    - `n`: its place in the inbox, from 1 without gaps.
    - `topic`: the conversation, by the peer's name.
    - `seq`: its number there.
    - `ts`: when.
    - `from`: who wrote it.
    - `head`, `content`: as in {data}.
    - `deleted`: the message is gone for this user.
    - `kind`: what it is, if not a message: invite, acs, removed, gone, del.
    - `detail`: what a notice says: who did it (`act`), and what.
    """

    n: int
    topic: str
    seq: int = 0
    ts: Time | None = None
    from_: str = ""
    head: Json | None = None
    content: Json | None = None
    deleted: bool = False
    kind: str = ""
    detail: Json | None = None


@attrs.frozen
class Inbox:
    """Part of a user's inbox (an extension).

    - `first`: the lowest `n` still held, `last` + 1 if none is.
    - `last`: the highest `n` given out.
    - `items`: the part asked for.
    - `more`: items remain.
    """

    first: int
    last: int
    items: tuple[InboxItem, ...]
    more: bool = False


@attrs.frozen
class SessionRow:
    """A login of the user (an extension).

    - `n`: its number, by which it can be ended.
    - `created`: when it began.
    - `seen`: when it was used last, to the hour.
    - `ua`, `platf`: the client's name and platform.
    - `current`: it is the one that asks.
    """

    n: int
    created: Time
    seen: Time
    ua: str = ""
    platf: str = ""
    current: bool = False
