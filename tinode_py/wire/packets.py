"""All packets of the protocol as frozen attrs classes, client's and server's.

This file is the contract: the codec, the generated schema and the generated documentation are
read off these classes. What belongs here is shape, not rules. It is long because it is a list:
every line declares a member or says what it means.

- Field names are those on the wire, except `del_` (`del`) and `from_` (`from`).
- `Json` is a JSON value as the text in which it came (bytes), checked to be well-formed UTF-8
  JSON, never re-encoded; None where absent. The JSON text `null` is a value of its own.
- `Time` is milliseconds since 1970, `YYYY-MM-DDTHH:MM:SS.mmmZ` on the wire.
- `Base64` is binary: padded standard base64 on the wire, or a CBOR byte string.
- Absent members are None, "", 0, False or (): a packet to a client leaves them out. Where a
  field may be None, None alone means absent (a tuple is absent when empty); a field without a
  default is always sent.
- A docstring's lines that begin with a member's name document it (docs/packets.md).
"""

from __future__ import annotations

from typing import Any, NewType

import attrs
import msgspec

Json = NewType("Json", bytes)
Time = NewType("Time", int)
Base64 = NewType("Base64", bytes)


# --- parts -------------------------------------------------------------------------------


@attrs.frozen
class DefAcs:
    """Default access modes of a user or topic, by the level of the one who comes.

    - `auth`: for those who logged in.
    - `anon`: for anonymous users.
    """

    auth: str = ""
    anon: str = ""


@attrs.frozen
class Acs:
    """An access mode. `Acs()` is sent as an empty object.

    - `want`: what the user asks for.
    - `given`: what the topic grants.
    - `mode`: what is in force, letters that are in both.
    """

    want: str = ""
    given: str = ""
    mode: str = ""


@attrs.frozen
class SeqRange:
    """A range of message numbers.

    - `low`: the first number.
    - `hi`: the number after the last; absent: `low` alone.
    """

    low: int = 0
    hi: int = 0


@attrs.frozen
class Credential:
    """A way to reach a user, such as an e-mail address.

    - `meth`: the method: `email` or `tel`.
    - `val`: the address itself.
    - `resp`: the code by which the user proves that it is his.
    - `params`: what the method needs beside.
    - `done`: whether it is confirmed; only to clients.
    """

    meth: str = ""
    val: str = ""
    resp: str = ""
    params: Json | None = None
    done: bool = False


@attrs.frozen
class Extra:
    """What goes beside a request.

    - `attachments`: addresses of uploads that the request refers to.
    - `obo`: the user on whose behalf root acts.
    - `authlevel`: that user's level: `auth`, `anon` or `root`.
    """

    attachments: tuple[str, ...] = ()
    obo: str = ""
    authlevel: str = ""


@attrs.frozen
class GetDesc:
    """- `ims`: what has not changed since may be left out.
    - `topic`: accepted, means nothing.
    - `user`, `limit`: accepted to be refused.
    """

    ims: Time | None = None
    user: str = ""
    topic: str = ""
    limit: int = 0


@attrs.frozen
class GetSub:
    """- `ims`: rows that have not changed since come without `public` and `private`.
    - `user`: only this member.
    - `topic`: only this contact (on `me`).
    - `limit`: at most so many rows.
    - `since`, `before`: accepted to be refused (protocol notes, 5.6).
    """

    ims: Time | None = None
    user: str = ""
    topic: str = ""
    limit: int = 0
    since: int = 0
    before: int = 0


@attrs.frozen
class GetData:
    """- `since`: the lowest number wanted.
    - `before`: the number after the highest wanted.
    - `limit`: at most so many, the newest.
    - `ranges`: the numbers wanted, in place of `since` and `before`.
    - `ims`, `user`, `topic`: accepted to be refused (protocol notes, 5.6).
    """

    since: int = 0
    before: int = 0
    limit: int = 0
    ranges: tuple[SeqRange, ...] = ()
    ims: Time | None = None
    user: str = ""
    topic: str = ""


@attrs.frozen
class GetDel:
    """- `since`: the lowest deletion number wanted.
    - `before`: the number after the highest wanted.
    - `limit`: at most so many ranges.
    - `ims`: accepted to be refused.
    """

    since: int = 0
    before: int = 0
    limit: int = 0
    ims: Time | None = None


@attrs.frozen
class GetInbox:
    """Which part of the inbox on `me` (an extension).

    - `since`: the lowest number wanted; without it, only what is new from now on.
    - `limit`: how many items at most, 100 if absent, never more than 1,000.
    """

    since: int = 0
    limit: int = 0


@attrs.frozen
class GetQuery:
    """What to fetch.

    - `what`: words: desc, sub, data, del, tags, cred, aux; on `me` also inbox, sessions.
    - `desc`, `sub`, `data`, `del`, `inbox`: bounds for the word of the same name.
    """

    what: str = ""
    desc: GetDesc | None = None
    sub: GetSub | None = None
    data: GetData | None = None
    del_: GetDel | None = None
    inbox: GetInbox | None = None


@attrs.frozen
class SetDesc:
    """- `defacs`: default access modes.
    - `public`: what everybody may see.
    - `trusted`: what everybody may see and only root may change.
    - `private`: what only the user himself sees.
    """

    defacs: DefAcs | None = None
    public: Json | None = None
    trusted: Json | None = None
    private: Json | None = None


@attrs.frozen
class SetSub:
    """- `user`: whose subscription; absent: one's own.
    - `mode`: the access mode, whole or as a difference.
    """

    user: str = ""
    mode: str = ""


@attrs.frozen
class SetQuery:
    """What to change.

    - `desc`: the description.
    - `sub`: a subscription.
    - `tags`: all tags anew; an empty list is a list.
    - `cred`: a credential to add or to confirm.
    - `aux`: members to merge into the auxiliary data.
    """

    desc: SetDesc | None = None
    sub: SetSub | None = None
    tags: tuple[str, ...] | None = None
    cred: Credential | None = None
    aux: Json | None = None


# --- from clients ------------------------------------------------------------------------


@attrs.frozen
class Hi:
    """The first packet of a session, and a change of its client's data.

    - `id`: the client's name for the request, echoed in all answers.
    - `ver`: protocol version, such as `0.25`.
    - `ua`: name and version of the client.
    - `dev`: the device's push token.
    - `platf`: the device's platform: `ios`, `android` or `web`.
    - `lang`: language of the user.
    - `bkg`: the session was opened by a push, not by a person.
    """

    id: str = ""
    ver: str = ""
    ua: str = ""
    dev: str = ""
    platf: str = ""
    lang: str = ""
    bkg: bool = False


@attrs.frozen
class Acc:
    """Create or change an account.

    - `id`: the client's name for the request.
    - `user`: `new…` to create; absent: one's own; another's only by root.
    - `tmpscheme`, `tmpsecret`: how to authenticate for this request only.
    - `status`: `ok`, `susp` or others, by root.
    - `authlevel`: the account's level, by root.
    - `scheme`, `secret`: how the user will log in.
    - `login`: whether to log in at once.
    - `tags`: by which the user can be found.
    - `desc`: the user's description.
    - `cred`: credentials to add.
    """

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
    """- `id`: the client's name for the request.
    - `scheme`: `basic`, `token`, `anonymous`, `code` or `reset`.
    - `secret`: what the scheme wants.
    - `cred`: responses to credentials that wait for confirmation.
    """

    id: str = ""
    scheme: str = ""
    secret: Base64 | None = None
    cred: tuple[Credential, ...] = ()


@attrs.frozen
class Sub:
    """Attach to a topic, subscribing or creating it if need be.

    - `id`: the client's name for the request.
    - `topic`: a topic's name, a user's, or `new…`, `nch…`.
    - `set`: what to change on the way in.
    - `get`: what to fetch right after.
    """

    id: str = ""
    topic: str = ""
    set: SetQuery | None = None
    get: GetQuery | None = None


@attrs.frozen
class Leave:
    """Detach from a topic.

    - `id`: the client's name for the request.
    - `topic`: which.
    - `unsub`: whether to end the subscription, too.
    """

    id: str = ""
    topic: str = ""
    unsub: bool = False


@attrs.frozen
class Pub:
    """Send a message.

    - `id`: the client's name for the request; without one there is no 202.
    - `topic`: where to.
    - `noecho`: whether this session goes without the {data}.
    - `head`: an object of headers.
    - `content`: any JSON; absent is stored as `null`, as the reference does.
    """

    id: str = ""
    topic: str = ""
    noecho: bool = False
    head: Json | None = None
    content: Json | None = None


@attrs.frozen
class Get(GetQuery):
    """Fetch parts of a topic; the members of GetQuery, and:

    - `id`: the client's name for the request.
    - `topic`: which.
    - `what`: words: desc, sub, data, del, tags, cred, aux; on `me` also inbox, sessions.
    - `desc`, `sub`, `data`, `del`, `inbox`: bounds for the word of the same name.
    """

    id: str = ""
    topic: str = ""


@attrs.frozen
class Set(SetQuery):
    """Change parts of a topic; the members of SetQuery, and:

    - `id`: the client's name for the request.
    - `topic`: which.
    - `desc`, `sub`, `tags`, `cred`, `aux`: as in SetQuery.
    """

    id: str = ""
    topic: str = ""


@attrs.frozen
class Del:
    """Delete.

    - `id`: the client's name for the request.
    - `topic`: where.
    - `what`: `msg`, `topic`, `sub`, `user`, `cred` or `session`.
    - `delseq`: numbers of messages, for `msg`.
    - `user`: whom, for `sub` and `user`.
    - `cred`: which, for `cred`.
    - `hard`: for everybody, not for oneself only.
    - `session`: the number of a login, or `*` for all (an extension).
    """

    id: str = ""
    topic: str = ""
    what: str = ""
    delseq: tuple[SeqRange, ...] = ()
    user: str = ""
    cred: Credential | None = None
    hard: bool = False
    session: str = ""


@attrs.frozen
class Note:
    """A notice that is not stored and not answered.

    - `topic`: where.
    - `what`: `kp`, `kpa`, `kpv`, `read`, `recv`, `call` or `data`.
    - `seq`: the message it is about.
    - `unread`: how many are unread, for pushes.
    - `event`: what happened in a call.
    - `payload`: what goes with it.
    """

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


class ClientPacket(msgspec.Struct, frozen=True):
    """One decoded packet: exactly one request, and the extra part, if any."""

    request: Request
    extra: Extra | None = None


# --- to clients --------------------------------------------------------------------------


@attrs.frozen
class Ctrl:
    """An answer, or a word of the server's own.

    - `code`: as in HTTP.
    - `text`: the code in words; some clients compare it.
    - `ts`: when.
    - `id`: of the request.
    - `topic`: as named by the request.
    - `params`: plain values (str, int, bool, None, list, dict), attrs parts such as `Acs` or
      `Desc`, `Timestamp` for times and `RawJson` for JSON text.
    """

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


@attrs.frozen
class Meta:
    """What a {get} asked for, one packet for each word.

    - `ts`: when.
    - `topic`: of what.
    - `id`: of the request.
    - `desc`, `sub`, `tags`, `cred`, `aux`, `del`, `inbox`, `sessions`: the part asked for.
    """

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
    sessions: tuple[SessionRow, ...] = ()


@attrs.frozen
class Data:
    """A message.

    - `topic`: the conversation as the reader knows it.
    - `ts`: when it was published.
    - `content`: the JSON that was published, byte for byte.
    - `seq`: its number there; missing where it is not kept (`head.ephemeral`).
    - `from`: who wrote it; channel readers are not told.
    - `head`: its headers.
    """

    topic: str
    ts: Time
    content: Json
    seq: int = 0
    from_: str = ""
    head: Json | None = None


@attrs.frozen
class Pres:
    """What happened in a topic, or to a contact when `topic` is `me`.

    - `topic`: where it is told.
    - `what`: the event: on, off, upd, msg, read, recv, del, tags, acs, gone, term, ua, aux.
    - `src`: the contact, on `me`.
    - `ua`: the contact's client.
    - `seq`: the message it is about.
    - `clear`: the deletion number.
    - `delseq`: what was deleted.
    - `act`: who did it.
    - `tgt`: to whom.
    - `dacs`: how the access mode changed.
    """

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
    """A {note} of another user.

    - `topic`: where it is told.
    - `what`: as in {note}.
    - `src`: the conversation, on `me`.
    - `from`: whose note it is.
    - `seq`: the message it is about.
    - `event`: what happened in a call.
    - `payload`: what goes with it.
    """

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
