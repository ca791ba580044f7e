"""What packets of both directions are made of: JSON, times, access modes, ranges.

All packets are frozen attrs classes, in `client_packets` and `server_packets` ({pub} and {ctrl}
are structs, which are made faster); their parts are here, in `client_parts` and in
`server_parts`. These five files are the contract: the codec, the generated schema and the
generated documentation are read off these classes. What belongs there is shape, not rules: every
line declares a member or says what it means.

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

from typing import NewType

import attrs

Json = NewType("Json", bytes)

Time = NewType("Time", int)

Base64 = NewType("Base64", bytes)


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
