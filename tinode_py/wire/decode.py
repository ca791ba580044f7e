"""From the bytes of a client to a packet.

1. Size, UTF-8 and depth are checked before anything is parsed.
2. The fast path reads a packet whose names are exact. Only what it refuses takes the slow path,
   which folds the case of names, drops unknown members and nulls, and reads the result.
3. Nothing but Malformed is raised, whatever the bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from . import cbor, client_packets, client_parts
from .json_text import checked_text, holds_nul
from .limits import Malformed, WireLimits
from .readers import packet_reader
from .shape import Field, Kind, fields_of, folded_names, is_packet

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ENVELOPE: dict[str, type[Any]] = {**client_packets.REQUESTS, "extra": client_parts.Extra}
DEFAULT_LIMITS = WireLimits()


def decode_json(
    data: bytes | str, limits: WireLimits = DEFAULT_LIMITS
) -> client_packets.ClientPacket:
    """Read a JSON packet. Raises Malformed; NotUtf8 if it is not even text."""
    return _read(checked_text(data, limits), limits)


def decode_cbor(data: bytes, limits: WireLimits = DEFAULT_LIMITS) -> client_packets.ClientPacket:
    """Read a CBOR packet. Raises Malformed."""
    if len(data) > limits.message_size:
        raise Malformed(f"larger than {limits.message_size} bytes")
    value = cbor.loads(data, limits.depth)
    if not isinstance(value, dict):
        raise Malformed("Expected `object`")
    for name, member in value.items():
        cls = _ENVELOPE.get(name.casefold())
        if cls is not None:
            _check_binary(member, cls)
            if cls is client_packets.Pub:
                cbor.mark(member)
    return _read(checked_text(msgspec.json.encode(value), limits), limits)


def _read(text: bytes, limits: WireLimits) -> client_packets.ClientPacket:
    reader = packet_reader(limits)
    try:
        try:
            packet = reader.read(text)
        except ValueError:
            packet = reader.read(_canonical_packet(text))
    except (ValueError, RecursionError) as error:
        raise Malformed(str(error)) from None
    if packet is None:
        raise Malformed("no known request")
    if b"\\" in text and holds_nul(text):
        for part in filter(None, (packet.request, packet.extra)):
            _check_nul(part)
    return packet


# --- the slow path -----------------------------------------------------------------------


def _canonical_packet(text: bytes) -> bytes:
    """The first request and `extra` of a packet, with exact names and nothing unknown."""
    members = {name.casefold(): bytes(raw) for name, raw in _OBJECT.decode(text).items()}
    kept = {name: members[name] for name in _ENVELOPE if members.get(name, b"null") != b"null"}
    request = next((name for name in kept if name in client_packets.REQUESTS), None)
    return _object_text(
        [
            (name, _canonical_part(raw, _ENVELOPE[name]))
            for name, raw in kept.items()
            if name in (request, "extra")
        ]
    )


def _canonical_part(text: bytes, cls: type[Any]) -> bytes:
    """An object with exact names; anything else as it is, for the reader to refuse."""
    if not text.startswith(b"{"):
        return text
    known = folded_names(cls)
    members = []
    for name, raw in _OBJECT.decode(text).items():
        field = known.get(name.casefold())
        value = bytes(raw)
        if field is not None and (value != b"null" or field.null_is_value):
            members.append((field.wire, _canonical_value(value, field)))
    return _object_text(members)


def _canonical_value(text: bytes, field: Field) -> bytes:
    if field.part is None:
        return text
    if field.many and text.startswith(b"["):
        items = (_canonical_part(bytes(raw), field.part) for raw in _ARRAY.decode(text))
        return b"[" + b",".join(items) + b"]"
    return _canonical_part(text, field.part)


def _object_text(members: list[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(b'"%b":%b' % (name.encode(), text) for name, text in members) + b"}"


# --- checks on what was read -------------------------------------------------------------


def _check_nul(part: Any) -> None:
    """Raise Malformed if anything but an `id` holds U+0000. Called only if the text has one."""
    for field in fields_of(type(part)):
        value = getattr(part, field.name)
        for one in value if isinstance(value, tuple) else (value,):
            if is_packet(type(one)):
                _check_nul(one)
            elif _is_nul(one) and field.name != "id":
                raise Malformed(f"U+0000 in `{field.name}`")


def _is_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    return isinstance(value, bytes) and holds_nul(value)


def _check_binary(value: Any, cls: type[Any]) -> None:
    """Raise Malformed for a byte string where JSON would carry anything but base64."""
    if not isinstance(value, dict):
        return
    known = folded_names(cls)
    for name, member in value.items():
        field = known.get(name.casefold())
        if field is None or field.kind in (Kind.JSON, Kind.BINARY):
            continue
        for one in member if isinstance(member, list) else (member,):
            if isinstance(one, bytes):
                raise Malformed(f"a byte string in `{field.wire}`")
            if field.part is not None:
                _check_binary(one, field.part)
