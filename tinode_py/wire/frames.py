"""Finished websocket frames as a server sends them.

Server frames are not masked and we offer no compression, so one finished frame serves every
reader. Each function returns one whole frame, FIN set, with the shortest length encoding.
"""

from __future__ import annotations

import functools
import struct

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
_MEDIUM = struct.Struct(">BBH").pack  # the head of a frame of 126 to 65,535 bytes
CONTROL_PAYLOAD = 125  # the most that a control frame may carry


def text_frame(payload: bytes) -> bytes:
    """A text message; `payload` is UTF-8."""
    return text_head(len(payload)) + payload


@functools.lru_cache(maxsize=1024)
def text_head(length: int) -> bytes:
    """What stands before the payload of a text message. Kept: most messages are short."""
    return _head(_TEXT, length)


def binary_frame(payload: bytes) -> bytes:
    """A binary message."""
    return _frame(_BINARY, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """A close with its code; the reason is cut, at a character, to what fits."""
    text = reason.encode()[: CONTROL_PAYLOAD - 2].decode(errors="ignore")
    return _frame(_CLOSE, code.to_bytes(2, "big") + text.encode())


def ping_frame(payload: bytes = b"") -> bytes:
    """A ping. Raises ValueError beyond 125 bytes."""
    return _control(_PING, payload)


def pong_frame(payload: bytes = b"") -> bytes:
    """The answer to a ping. Raises ValueError beyond 125 bytes."""
    return _control(_PONG, payload)


def payload_of(data: bytes, at: int = 0) -> tuple[int, int]:
    """Where the payload of the frame that begins at `at` begins and ends.

    Only for frames made here, which are complete and not masked; the next one, if several were
    joined, begins where this one ends.
    """
    length = data[at + 1]
    if length == 126:
        begin, length = at + 4, int.from_bytes(data[at + 2 : at + 4], "big")
    elif length == 127:
        begin, length = at + 10, int.from_bytes(data[at + 2 : at + 10], "big")
    else:
        begin = at + 2
    return begin, begin + length


def _control(head: int, payload: bytes) -> bytes:
    if len(payload) > CONTROL_PAYLOAD:
        raise ValueError(f"a control frame carries at most {CONTROL_PAYLOAD} bytes")
    return _frame(head, payload)


def _frame(first: int, payload: bytes) -> bytes:
    return _head(first, len(payload)) + payload


def _head(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return _MEDIUM(first, 126, length)
    return bytes((first, 127)) + length.to_bytes(8, "big")
