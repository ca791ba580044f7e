"""Frames in, messages out: the classes of cases of the Autobahn suite, and the library as oracle.

However the bytes are cut, what comes out is the same; and it is what wsproto alone would say.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Message, Ping

from tinode_py.web.odd import Answer, Ending
from tinode_py.web.reception import Reception

LIMIT = 1000
Seen = list[Any]


def masked(first: int, payload: bytes, key: bytes = b"\x11\x7f\x80\xff", length: int = 0) -> bytes:
    """A frame; `length` is 2 or 8 where its encoding is to be that long."""
    size = len(payload)
    if length == 8 or size > 65_535:
        head = bytes((first, 0xFF)) + size.to_bytes(8, "big")
    elif length == 2 or size > 125:
        head = bytes((first, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | size))
    return head + key + bytes(byte ^ key[index % 4] for index, byte in enumerate(payload))


def received(pieces: list[bytes], limit: int = LIMIT) -> Seen:
    """Messages, pongs as frames, and the code at the end."""
    reception = Reception(limit)
    seen: Seen = []
    for piece in pieces:
        reception.feed(piece)
        while (event := reception.next()) is not None:
            if isinstance(event, Ending):
                return [*seen, int.from_bytes(event.frame[2:4], "big"), event.broken_off]
            if not isinstance(event, Answer) or event.frame:
                seen.append(event)
        reception.rest()
    return seen


def by_library(data: bytes) -> Seen:
    """The same from wsproto alone."""
    library = Connection(ConnectionType.SERVER)
    seen: Seen = []
    parts: Seen = []
    library.receive_data(data)
    for event in library.events():
        if isinstance(event, Message):
            parts.append(event.data)
            if event.message_finished:
                seen.append(parts[0][:0].join(parts))
                parts = []
        elif isinstance(event, Ping):
            seen.append(Answer(bytes((0x8A, len(event.payload))) + bytes(event.payload)))
        elif isinstance(event, CloseConnection):
            code = 0 if event.code == 1005 else int(event.code)
            return [*seen, code, library.state.name == "OPEN"]
    return seen


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
A = masked(TEXT, b"a")
CASES: dict[str, tuple[bytes, Seen]] = {
    # 1: whole messages
    "empty text": (masked(TEXT, b""), [""]),
    "empty binary": (masked(BINARY, b""), [b""]),
    "125": (masked(TEXT, b"x" * 125), ["x" * 125]),
    "126": (masked(TEXT, b"x" * 126), ["x" * 126]),
    "127 of binary": (masked(BINARY, b"\xfe" * 127), [b"\xfe" * 127]),
    "the limit": (masked(TEXT, b"x" * 1000), ["x" * 1000]),
    "more than the limit": (A + masked(TEXT, b"x" * 1001) + A, ["a", 1009, True]),
    # 2: pings and pongs
    "empty ping": (masked(PING, b""), [Answer(b"\x8a\x00")]),
    "ping of 125": (masked(PING, b"\xff" * 125), [Answer(b"\x8a\x7d" + b"\xff" * 125)]),
    "ping of 126": (masked(PING, b"\xff" * 126) + A, [1002, True]),
    "pings in order": (
        b"".join(masked(PING, bytes([n])) + A for n in range(10)),
        [event for n in range(10) for event in (Answer(bytes((0x8A, 1, n))), "a")],
    ),
    "a pong that nobody asked for": (masked(PONG, b"") + masked(PONG, b"x") + A, ["a"]),
    # 3: reserved bits
    "RSV1": (A + masked(0xC1, b"b") + A, ["a", 1002, True]),
    "RSV2 of binary": (A + masked(0xA2, b"b") + A, ["a", 1002, True]),
    "RSV3 of a ping": (A + masked(0x99, b"b") + A, ["a", 1002, True]),
    "RSV of a close": (A + masked(0xF8, b"") + A, ["a", 1002, True]),
    # 4: reserved opcodes
    "opcode 3": (A + masked(0x83, b"") + A, ["a", 1002, True]),
    "opcode 7": (A + masked(0x87, b"x") + A, ["a", 1002, True]),
    "opcode 11": (A + masked(0x8B, b"") + A, ["a", 1002, True]),
    "opcode 15": (A + masked(0x8F, b"x") + A, ["a", 1002, True]),
    # 5: fragments
    "two fragments": (masked(0x01, b"one ") + masked(0x80, b"two") + A, ["one two", "a"]),
    "binary fragments": (masked(0x02, b"\xff") + masked(0x00, b"") + masked(0x80, b"\x00"),
                         [b"\xff\x00"]),
    "empty fragments": (masked(0x01, b"") + masked(0x00, b"") + masked(0x80, b""), [""]),
    "a ping among fragments": (
        masked(0x01, b"one ") + masked(PING, b"p") + masked(0x80, b"two"),
        [Answer(b"\x8a\x01p"), "one two"],
    ),
    "a text among fragments": (masked(0x01, b"one") + A + masked(0x80, b"two"), [1002, True]),
    "a fragmented ping": (masked(0x09, b"p") + masked(0x80, b"q"), [1002, True]),
    "a continuation of nothing": (A + masked(0x80, b"b"), ["a", 1002, True]),
    "a continuation after a message": (
        masked(0x01, b"o") + masked(0x80, b"k") + masked(0x00, b"b"), ["ok", 1002, True],
    ),
    "fragments beyond the limit": (masked(0x01, b"x" * 999) + masked(0x80, b"yy"), [1009, True]),
    "too many fragments": (masked(0x01, b"") + masked(0x00, b"") * 1100, [1008, True]),
    # 6: UTF-8
    "UTF-8": (masked(TEXT, "Hello-µ@ßöäüàá-𝄞".encode()), ["Hello-µ@ßöäüàá-𝄞"]),
    "a character in two fragments": (
        masked(0x01, "µ".encode()[:1]) + masked(0x80, "µ".encode()[1:]), ["µ"],
    ),
    "not UTF-8": (A + masked(TEXT, b"\xff\xfe") + A, ["a", 1007, True]),
    "a surrogate": (masked(TEXT, b"\xed\xa0\x80"), [1007, True]),
    "too long a form": (masked(TEXT, b"\xc0\xaf"), [1007, True]),
    "beyond Unicode": (masked(TEXT, b"\xf4\x90\x80\x80"), [1007, True]),
    "half a character": (masked(TEXT, b"\xc3"), [1007, True]),
    "not UTF-8 in a fragment": (masked(0x01, b"ok\xff"), [1007, True]),
    "binary need not be": (masked(BINARY, b"\xff\xfe"), [b"\xff\xfe"]),
    # 7: closes
    "close": (A + masked(CLOSE, b"\x03\xe8bye") + A, ["a", 1000, False]),
    "close without a code": (masked(CLOSE, b""), [0, False]),
    "close with half a code": (masked(CLOSE, b"\x03"), [1002, True]),
    "close with a bad code": (masked(CLOSE, b"\x03\xed"), [1002, True]),
    "close with a code of one's own": (masked(CLOSE, b"\x0f\xa0"), [4000, False]),
    "close with bad UTF-8": (masked(CLOSE, b"\x03\xe8\xff"), [1007, True]),
    "a long close": (masked(CLOSE, b"\x03\xe8" + b"x" * 124), [1002, True]),
    # of our own
    "not masked": (A + b"\x81\x01a", ["a", 1002, True]),
    "2 bytes for a short length": (A + masked(TEXT, b"x" * 125, length=2), ["a", 1002, True]),
    "8 bytes for a short length": (A + masked(TEXT, b"x" * 125, length=8), ["a", 1002, True]),
    "8 bytes for a middle length": (A + masked(TEXT, b"x" * 900, length=8), ["a", 1002, True]),
    "2^62 bytes": (b"\x82\xff" + (1 << 62).to_bytes(8, "big") + bytes(4), [1009, True]),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 100_000])
def test_a_case_however_it_is_cut(data: bytes, expected: Seen, size: int) -> None:
    assert received(cut(data, size)) == expected


def test_not_utf8_is_refused_before_the_frame_has_all_come() -> None:
    data = masked(TEXT, b"fine so far, \xff and more")
    assert received([data[:-5]]) == [1007, True]


def test_a_message_larger_than_a_read() -> None:
    whole = "µ" * 100_000
    data = masked(TEXT, whole.encode()) + A
    assert received(cut(data, 65_536), limit=1 << 20) == [whole, "a"]


def test_nothing_of_the_library_stays_after_odd_frames() -> None:
    reception = Reception(LIMIT)
    data = masked(PING, b"") + masked(0x01, b"a") + masked(0x80, b"b") + A
    for piece in [*cut(data, 5), *cut(data, 1000)]:
        reception.feed(piece)
        while reception.next() is not None:
            pass
        reception.rest()
    assert reception._odd is None
    assert reception._data == b""


payloads = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=6).map(str.encode),
    st.integers(120, 130).map(lambda size: b"x" * size),
)
frames = st.builds(
    masked,
    st.one_of(st.sampled_from([TEXT, BINARY, PING, PONG, 0x01, 0x02, 0x00, 0x80, CLOSE]),
              st.integers(0, 255)),
    payloads,
    st.binary(min_size=4, max_size=4),
    st.sampled_from([0, 0, 0, 0, 2, 8]),
)  # fmt: skip
streams = st.lists(st.one_of(frames, frames, frames, st.binary(max_size=5)), max_size=8).map(
    b"".join
)


@settings(max_examples=300, deadline=None)
@given(streams, st.integers(1, 60))
def test_it_is_the_library_only_faster(data: bytes, size: int) -> None:
    """At the level of one frame after the other; bounds are ours alone."""
    expected = by_library(data)
    assert received([data], limit=1 << 62) == expected
    assert received(cut(data, size), limit=1 << 62) == expected


@pytest.mark.parametrize("first", [0x81, 0x82, 0x02, 0x89])
def test_a_length_with_its_highest_bit_set_is_no_length(first: int) -> None:
    """A wrong frame (1002), however much a message may be; nothing of it is kept."""
    data = bytes((first, 0xFF)) + b"\xff" * 8 + b"mask" + b"x" * 100
    for limit in (LIMIT, 1 << 62):
        assert received([data], limit=limit) == by_library(data)
        assert received(cut(data, 3), limit=limit) == by_library(data)
