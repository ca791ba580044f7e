"""What clients send. How these classes are read is told in `parts`."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from .client_parts import Extra, GetQuery, SetDesc, SetQuery
from .parts import Base64, Credential, Json, SeqRange


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


class Pub(msgspec.Struct, frozen=True):
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
