"""What clients are sent. How these classes are read is told in `parts`."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from .parts import Acs, Credential, Json, SeqRange, Time
from .server_parts import DelValues, Desc, Inbox, SessionRow, SubRow


class Ctrl(msgspec.Struct, frozen=True):
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
