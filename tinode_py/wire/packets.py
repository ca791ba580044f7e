"""All packets of the protocol as frozen attrs classes, client's and server's.

This file is the contract: the codec, the generated schema and the generated documentation are
read off these classes. What belongs here is shape, not rules.

- Field names are those on the wire, except `del_` (`del`) and `from_` (`from`).
- `Json` is a JSON value as the text in which it came (bytes), checked to be well-formed UTF-8
  JSON, never re-encoded; None where absent. The JSON text `null` is a value of its own.
- `Time` is milliseconds since 1970, `YYYY-MM-DDTHH:MM:SS.mmmZ` on the wire.
- `Base64` is binary: padded standard base64 on the wire, or a CBOR byte string.
- Absent members are None, "", 0, False or (): a packet to a client leaves them out. The two
  exceptions are fields of type `Json` and `Acs | None`, where None alone means absent.
"""

from __future__ import annotations

from typing import Any, NewType

import attrs

Json = NewType("Json", bytes)
Time = NewType("Time", int)
Base64 = NewType("Base64", bytes)


# --- parts -------------------------------------------------------------------------------


@attrs.frozen
class DefAcs:
    """Default access modes of a user or topic, by the level of the one who comes."""

    auth: str = ""
    anon: str = ""


@attrs.frozen
class Acs:
    """An access mode: wanted, given, and in force. `Acs()` is sent as an empty object."""

    want: str = ""
    given: str = ""
    mode: str = ""


@attrs.frozen
class SeqRange:
    """Message numbers from `low` up to, not including, `hi`; `hi` 0: `low` alone."""

    low: int = 0
    hi: int = 0


@attrs.frozen
class Credential:
    meth: str = ""
    val: str = ""
    resp: str = ""
    params: Json | None = None
    done: bool = False


@attrs.frozen
class Extra:
    """Uploads that a request refers to, and on whose behalf root acts."""

    attachments: tuple[str, ...] = ()
    obo: str = ""
    authlevel: str = ""


@attrs.frozen
class GetDesc:
    ims: Time | None = None
    user: str = ""
    topic: str = ""
    limit: int = 0


@attrs.frozen
class GetSub:
    ims: Time | None = None
    user: str = ""
    topic: str = ""
    limit: int = 0


@attrs.frozen
class GetData:
    """`ims`, `user` and `topic` are accepted to be refused (protocol notes, 5.6)."""

    since: int = 0
    before: int = 0
    limit: int = 0
    ranges: tuple[SeqRange, ...] = ()
    ims: Time | None = None
    user: str = ""
    topic: str = ""


@attrs.frozen
class GetDel:
    since: int = 0
    before: int = 0
    limit: int = 0


@attrs.frozen
class GetQuery:
    """What to fetch: `what` is a list of words separated by spaces."""

    what: str = ""
    desc: GetDesc | None = None
    sub: GetSub | None = None
    data: GetData | None = None
    del_: GetDel | None = None


@attrs.frozen
class SetDesc:
    defacs: DefAcs | None = None
    public: Json | None = None
    trusted: Json | None = None
    private: Json | None = None


@attrs.frozen
class SetSub:
    user: str = ""
    mode: str = ""


@attrs.frozen
class SetQuery:
    """What to change. `tags` None: untouched; an empty list is a list."""

    desc: SetDesc | None = None
    sub: SetSub | None = None
    tags: tuple[str, ...] | None = None
    cred: Credential | None = None
    aux: Json | None = None


# --- from clients ------------------------------------------------------------------------


@attrs.frozen
class Hi:
    id: str = ""
    ver: str = ""
    ua: str = ""
    dev: str = ""
    platf: str = ""
    lang: str = ""
    bkg: bool = False


@attrs.frozen
class Acc:
    id: str = ""
    user: str = ""
    tmpscheme: str = ""
    tmpsecret: Base64 | None = None
    status: str = ""
    authlevel: str = ""
    scheme: str = ""
    secret: Base64 | None = None
    login: bool = False
    tags: tuple[str, ...] | None = None
    desc: SetDesc | None = None
    cred: tuple[Credential, ...] = ()


@attrs.frozen
class Login:
    id: str = ""
    scheme: str = ""
    secret: Base64 | None = None
    cred: tuple[Credential, ...] = ()


@attrs.frozen
class Sub:
    id: str = ""
    topic: str = ""
    set: SetQuery | None = None
    get: GetQuery | None = None


@attrs.frozen
class Leave:
    id: str = ""
    topic: str = ""
    unsub: bool = False


@attrs.frozen
class Pub:
    """`content` absent is stored as `null`, as the reference does."""

    id: str = ""
    topic: str = ""
    noecho: bool = False
    head: Json | None = None
    content: Json | None = None


@attrs.frozen
class Get(GetQuery):
    id: str = ""
    topic: str = ""


@attrs.frozen
class Set(SetQuery):
    id: str = ""
    topic: str = ""


@attrs.frozen
class Del:
    """`what`: msg, topic, sub, user or cred."""

    id: str = ""
    topic: str = ""
    what: str = ""
    delseq: tuple[SeqRange, ...] = ()
    user: str = ""
    cred: Credential | None = None
    hard: bool = False


@attrs.frozen
class Note:
    topic: str = ""
    what: str = ""
    seq: int = 0
    unread: int = 0
    event: str = ""
    payload: Json | None = None


Request = Hi | Acc | Login | Sub | Leave | Pub | Get | Set | Del | Note

# In the order in which the reference picks one if a packet holds several (notes, 5.2).
REQUESTS: dict[str, type[Any]] = {
    "pub": Pub,
    "sub": Sub,
    "leave": Leave,
    "hi": Hi,
    "login": Login,
    "get": Get,
    "set": Set,
    "del": Del,
    "acc": Acc,
    "note": Note,
}


@attrs.frozen
class ClientPacket:
    """One decoded packet: exactly one request, and the extra part, if any."""

    request: Request
    extra: Extra | None = None


# --- to clients --------------------------------------------------------------------------


@attrs.frozen
class Ctrl:
    """`params`: plain values (str, int, bool, None, list, dict), attrs parts such as `Acs`
    or `Desc`, `Timestamp` for times and `RawJson` for JSON text."""

    code: int
    text: str
    ts: Time
    id: str = ""
    topic: str = ""
    params: dict[str, Any] | None = None
    null_params: bool = False  # send `"params": null`, as the reference does after {acc}


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
    when: Time
    ua: str = ""


@attrs.frozen
class Desc:
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
    """One subscription in a list: a member of a topic, or a contact on `me`."""

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
    clear: int = 0
    delseq: tuple[SeqRange, ...] = ()


@attrs.frozen
class InboxItem:
    """One private message in a user's inbox (our extension, docs/protocol.md)."""

    n: int
    topic: str
    seq: int = 0
    ts: Time | None = None
    from_: str = ""
    head: Json | None = None
    content: Json | None = None
    deleted: bool = False
    kind: str = ""


@attrs.frozen
class Inbox:
    """Part of a user's inbox; `first`, `last` and `items` are always sent."""

    first: int
    last: int
    items: tuple[InboxItem, ...]
    more: bool = False


@attrs.frozen
class Meta:
    ts: Time
    topic: str
    id: str = ""
    desc: Desc | None = None
    sub: tuple[SubRow, ...] = ()
    tags: tuple[str, ...] = ()
    cred: tuple[Credential, ...] = ()
    aux: Json | None = None
    del_: DelValues | None = None
    inbox: Inbox | None = None


@attrs.frozen
class Data:
    topic: str
    seq: int
    ts: Time
    content: Json
    from_: str = ""
    head: Json | None = None


@attrs.frozen
class Pres:
    topic: str
    what: str
    src: str = ""
    ua: str = ""
    seq: int = 0
    clear: int = 0
    delseq: tuple[SeqRange, ...] = ()
    act: str = ""
    tgt: str = ""
    dacs: Acs | None = None


@attrs.frozen
class Info:
    topic: str
    what: str
    src: str = ""
    from_: str = ""
    seq: int = 0
    event: str = ""
    payload: Json | None = None


ServerPacket = Ctrl | Meta | Data | Pres | Info

PACKETS: dict[type[Any], str] = {
    Ctrl: "ctrl",
    Meta: "meta",
    Data: "data",
    Pres: "pres",
    Info: "info",
}
