"""CBOR as this protocol allows it: JSON's values, and byte strings where JSON has base64.

No tags, no indefinite lengths, no simple values but false, true and null, no NaN or infinity,
no integers beyond 64 bits, no keys but texts, none twice. `check` reads the bytes once, with a
stack of its own, and refuses all of these before the library (cbor2) allocates anything; the
library's own guards stay on behind it.
"""

from __future__ import annotations

import base64
import contextlib
import math
import re
import struct
from typing import Any

import cbor2
import msgspec

from .limits import Malformed

_BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(2, 8)  # 0 and 1 are integers
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_PLAIN = (20, 21, 22)  # false, true, null
_INTEGER = 2**63
_ARRAYS, _MAPS, _TAGS = _ARRAY << 5, _MAP << 5, _TAG << 5  # where their first bytes begin


def _size(first: int) -> int:
    """The size of an item that its first byte tells completely, else 0."""
    major, info = first >> 5, first & 31
    if major == _SIMPLE:
        return 1 if info in _PLAIN else 0
    if info >= 24 or major == _TAG or (major in (_ARRAY, _MAP) and info):
        return 0
    return 1 + info if major in (_BYTES, _TEXT) else 1


def _items(first: int) -> int:
    """How many items a short array, or pairs a short map, of this first byte holds, else 0."""
    info = first & 31
    return info if first >> 5 in (_ARRAY, _MAP) and info < 24 else 0


_SIZES = tuple(map(_size, range(256)))
_ITEMS = tuple(map(_items, range(256)))
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_JSON = msgspec.json.Decoder()


def loads(data: bytes, depth: int) -> Any:
    """The one value in `data`, nested at most `depth` deep. Raises Malformed.

    Takes time and memory linear in the length of `data`, whatever lengths it declares.
    """
    check(data, depth)
    try:
        return cbor2.loads(
            data,
            max_depth=depth + 1,
            allow_indefinite=False,
            allow_duplicate_keys=False,
            strict_hashable_types=True,
        )
    except (cbor2.CBORDecodeError, ValueError) as error:
        raise Malformed(f"not CBOR: {error}") from None


def dumps(value: Any) -> bytes:
    """Plain values as CBOR with definite lengths and no tags; integers must fit 64 bits."""
    return cbor2.dumps(value)


def mark(publication: Any) -> None:
    """Note in the head of a {pub} that its content came as a byte string (`bin`)."""
    if isinstance(publication, dict) and isinstance(publication.get("content"), bytes):
        head = publication.setdefault("head", {})
        if isinstance(head, dict):
            head["bin"] = True


def restore(message: dict[str, Any]) -> None:
    """Make a byte string again of a message's content that was one.

    Whoever else writes `bin` into a head changes nothing, unless the content is base64.
    """
    head, content = message.get("head"), message.get("content")
    if isinstance(head, dict) and head.get("bin") is True and isinstance(content, str):
        with contextlib.suppress(ValueError):
            message["content"] = base64.b64decode(content, validate=True)


def from_json(text: bytes) -> Any:
    """Plain values of JSON text that was checked; integers beyond 64 bits become floats.

    A reader in JavaScript sees the same number either way.
    """
    value = _JSON.decode(text)
    return _narrowed(value) if _LONG_NUMBER.search(text) else value


def _narrowed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _narrowed(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_narrowed(item) for item in value]
    if isinstance(value, int) and not -_INTEGER <= value < _INTEGER:
        return float(value)
    return value


def check(data: bytes, depth: int) -> None:
    """Raise Malformed unless `data` is exactly one item of the kinds allowed here."""
    place = 0
    outer: list[tuple[int, bool]] = []  # of each open array or map: items left, is it a map
    left, in_map = 1, False
    try:
        while left or outer:
            if not left:
                left, in_map = outer.pop()
                continue
            left -= 1
            first = data[place]
            if in_map and left & 1 and first >> 5 != _TEXT:
                raise Malformed("a CBOR map key that is not text")
            size = _SIZES[first]
            if size:
                place += size
                continue
            number = _ITEMS[first]
            if number:
                place += 1
            else:
                number, place = _head(data, place)
            if first < _ARRAYS:
                place += number
            elif first < _TAGS:
                outer.append((left, in_map))
                in_map = first >= _MAPS
                left = number * 2 if in_map else number
                if len(outer) > depth:
                    raise Malformed(f"nested deeper than {depth}")
                if left > len(data) - place:  # each item takes a byte at least
                    raise IndexError
    except IndexError:
        raise Malformed("CBOR ends too early") from None
    if place != len(data):
        raise Malformed("CBOR ends too early" if place > len(data) else "bytes after the value")


def _head(data: bytes, place: int) -> tuple[int, int]:
    """How many bytes or items belong to the item at `place`, and where its head ends.

    A scalar is checked, and nothing belongs to it. Raises IndexError where the bytes end.
    """
    major, info = data[place] >> 5, data[place] & 31
    start = place + 1
    if info < 24:
        end, number = start, info
    elif info < 28:
        end = start + (1 << info - 24)
        number = int.from_bytes(data[start:end], "big")
        if end > len(data):
            raise IndexError
    else:
        raise Malformed("an indefinite length or a reserved head in CBOR")
    if major < _BYTES:
        if number >= _INTEGER:
            raise Malformed("an integer beyond 64 bits")
        return 0, end
    if major == _TAG:
        raise Malformed("a CBOR tag")
    if major == _SIMPLE:
        _check_simple(info, data[start:end])
        return 0, end
    return number, end


def _check_simple(info: int, raw: bytes) -> None:
    if info in _FLOATS:
        (value,) = struct.unpack(_FLOATS[info], raw)
        if not math.isfinite(value):
            raise Malformed("NaN or infinity")
    elif info not in _PLAIN:
        raise Malformed("a CBOR simple value")
