"""Type-checked readers of client packets, made from the packet classes for given limits.

The library reads a whole packet in one pass into throw-away structs that refuse wrong types,
over-long values and unknown names; from these the packet classes are built. (Its own support
for attrs classes cannot rename a member and ignores unknown names, thus also `"ID"`.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

import attrs
import msgspec

from . import client_packets, client_parts
from .json_text import check_value
from .limits import WireLimits
from .shape import Field, Kind, fields_of
from .times import parse_time

_ABSENT = msgspec.Raw()


@attrs.frozen
class Reader:
    """`struct` is what the library reads; `build` makes the packet class of it."""

    struct: type[msgspec.Struct]
    build: Callable[[Any], Any]


@attrs.frozen
class PacketReader:
    """Reads JSON text with exact member names, without nulls and unknown members."""

    envelope: msgspec.json.Decoder[Any]
    requests: tuple[Callable[[Any], Any], ...]
    extra: Callable[[Any], client_parts.Extra]

    def read(self, text: bytes) -> client_packets.ClientPacket | None:
        """The packet; None if it holds no request. Raises ValueError if it is not one."""
        parts = msgspec.structs.astuple(self.envelope.decode(text))
        extra = parts[-1]
        for place, request in enumerate(parts[:-1]):
            if request is not None:
                return client_packets.ClientPacket(
                    self.requests[place](request), None if extra is None else self.extra(extra)
                )
        return None


@functools.lru_cache(maxsize=8)
def packet_reader(limits: WireLimits) -> PacketReader:
    """The reader for these limits; made once."""
    requests = {name: _reader(cls, limits) for name, cls in client_packets.REQUESTS.items()}
    extra = _reader(client_parts.Extra, limits)
    members: list[Any] = [(name, one.struct | None, None) for name, one in requests.items()]
    members.append(("extra", extra.struct | None, None))
    envelope = msgspec.defstruct("Packet", members, forbid_unknown_fields=True)
    return PacketReader(
        envelope=msgspec.json.Decoder(envelope),
        requests=tuple(one.build for one in requests.values()),
        extra=extra.build,
    )


def _reader(cls: type[Any], limits: WireLimits) -> Reader:
    """The reader of one class. All members of client classes have defaults."""
    members: list[Any] = []
    steps: list[tuple[int, Callable[[Any], Any]]] = []
    for place, field in enumerate(fields_of(cls)):
        of_part = _reader(field.part, limits) if field.part is not None else None
        default = _ABSENT if field.kind is Kind.JSON else field.default
        members.append((field.name, _member_type(field, of_part, limits), default))
        step = _step(field, of_part)
        if step is not None:
            steps.append((place, step))
    struct = msgspec.defstruct(
        cls.__name__,
        members,
        rename={field.name: field.wire for field in fields_of(cls)},
        forbid_unknown_fields=True,
    )
    return Reader(struct, _builder(cls, tuple(steps)))


def _builder(
    cls: type[Any], steps: tuple[tuple[int, Callable[[Any], Any]], ...]
) -> Callable[[Any], Any]:
    """What makes a packet class of its struct; both have the same members in the same order."""
    as_tuple = msgspec.structs.astuple
    if not steps:
        return lambda read: cls(*as_tuple(read))

    def build(read: Any) -> Any:
        values = list(as_tuple(read))
        for place, step in steps:
            values[place] = step(values[place])
        return cls(*values)

    return build


def _member_type(field: Field, of_part: Reader | None, limits: WireLimits) -> Any:
    """The type by which the library judges a member."""
    one: Any = {
        Kind.TEXT: Annotated[str, msgspec.Meta(max_length=limits.text(field.wire))],
        Kind.NUMBER: Annotated[int, msgspec.Meta(ge=limits.lowest, le=limits.number)],
        Kind.FLAG: bool,
        Kind.JSON: msgspec.Raw,
        Kind.TIME: Annotated[str, msgspec.Meta(max_length=limits.name_length)],
        Kind.BINARY: Annotated[bytes, msgspec.Meta(max_length=limits.text_length)],
    }.get(field.kind)
    if of_part is not None:
        one = of_part.struct
    if field.many:
        one = Annotated[tuple[one, ...], msgspec.Meta(max_length=limits.items(field.wire))]
    return one | None if field.default is None and field.kind is not Kind.JSON else one


def _step(field: Field, of_part: Reader | None) -> Callable[[Any], Any] | None:
    """What turns the member as read into the member of the packet class, if anything must."""
    if of_part is not None:
        build = of_part.build
        if field.many:
            return lambda read: tuple(map(build, read))
        return lambda read: None if read is None else build(read)
    if field.kind is Kind.TIME:
        return lambda read: None if read is None else parse_time(read)
    if field.kind is Kind.JSON:
        return _object if field.wire == "head" else _value if field.null_is_value else _json
    return None


def _value(raw: msgspec.Raw) -> bytes | None:
    """A JSON value, `null` included, as its own bytes; None where absent."""
    text = bytes(raw)
    if not text:
        return None
    _check(text)
    return text


def _json(raw: msgspec.Raw) -> bytes | None:
    """A JSON value as its own bytes; None where absent or `null`."""
    text = bytes(raw)
    if not text or text == b"null":
        return None
    _check(text)
    return text


def _check(text: bytes) -> None:
    """A string has been looked at as a whole where the library passed over it."""
    if not text.startswith(b'"'):
        check_value(text)


def _object(raw: msgspec.Raw) -> bytes | None:
    text = _json(raw) if raw is not _ABSENT else None
    if text is not None and text[0] != ord("{"):
        raise ValueError("Expected `object` in `head`")
    return text
