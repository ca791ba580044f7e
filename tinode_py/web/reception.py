"""Messages out of the bytes of one client.

A complete, masked, unfragmented text or binary frame is read here, straight from the bytes.
Everything else goes to the library (`odd`), and so does every byte after it until nothing that
it was given is open: a whole frame never overtakes a fragmented one. Messages come out one by
one, in order, so that who takes them decides how fast.
"""

from __future__ import annotations

from .bounds import TOO_BIG
from .odd import INVALID_TEXT, Answer, Event, OddFrames, ending

_TEXT, _BINARY = 0x81, 0x82  # FIN set, no extension
_WHOLE = frozenset({_TEXT, _BINARY})
_PONG = b"\x8a\x80"  # masked, empty: what clients answer our pings with
_PONG_LENGTH = 6
_MASKED = 0x80
_NOTHING = Answer(b"")


class Reception:
    """`feed` some bytes, then take `next` until it gives None; then `rest` or feed again."""

    __slots__ = ("_at", "_data", "_fed", "_limit", "_odd")

    def __init__(self, limit: int) -> None:
        self._limit = limit  # bytes of a message
        self._data = b""
        self._at = 0
        self._odd: OddFrames | None = None
        self._fed = False  # what the library was given has not all been taken

    def feed(self, data: bytes) -> None:
        """Bytes that came. All before them must have been taken."""
        self._data = data
        self._at = 0

    def rest(self) -> None:
        """Keep as little as possible until more bytes come."""
        self._data = b""
        if self._odd is not None and self._odd.at_rest:
            self._odd = None

    def next(self) -> Event | None:
        """The next message, answer or ending; None if more bytes are needed.

        After an `Ending` nothing more is to be taken.
        """
        odd = self._odd
        while True:
            if odd is not None and self._fed:
                event = odd.next()
                if event is not None:
                    return event
                self._fed = False
            if odd is None or odd.at_rest:
                event = self._whole()
                if event is not None:
                    return event
            if self._at == len(self._data):
                return None
            if odd is None:
                odd = self._odd = OddFrames(self._limit)
            self._at = odd.feed(self._data, self._at)
            self._fed = True

    def _whole(self) -> Event | None:
        """A message that is one frame and all here; None: something else comes."""
        data, at = self._data, self._at
        if len(data) - at < 6:
            return None
        first, size, body = data[at], data[at + 1] - _MASKED, at + 6
        if first in _WHOLE:
            if size == 126:
                size, body = data[at + 2] << 8 | data[at + 3], at + 8
                if size < 126:
                    return None  # not the shortest encoding: the library's to refuse
            elif not 0 <= size < 126:
                return None
            if size > self._limit:
                return ending(TOO_BIG)
            end = body + size
            if end > len(data):
                return None
            self._at = end
            return _decoded(first, data, body, end)
        if data[at : at + 2] == _PONG:
            self._at = at + _PONG_LENGTH
            return _NOTHING
        return None


def _decoded(first: int, data: bytes, body: int, end: int) -> Event:
    size = end - body
    mask = (data[body - 4 : body] * (size // 4 + 1))[:size]
    masked = int.from_bytes(data[body:end], "little") ^ int.from_bytes(mask, "little")
    plain = masked.to_bytes(size, "little")
    if first == _BINARY:
        return plain
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return ending(INVALID_TEXT)
