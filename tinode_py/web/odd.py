"""Frames that are not one whole message each: fragments, pieces, pings, closes, mistakes.

All of them are read by wsproto, whose judgement counts. It is made when the first odd byte
comes and is let go once nothing is open: most connections never need it for long.
"""

from __future__ import annotations

from typing import Any

import attrs
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import CloseConnection, Message, Ping, TextMessage

from ..wire.frames import close_frame, pong_frame
from .bounds import POLICY, TOO_BIG, MessageBounds

INVALID_TEXT = 1007
_REASONS = {TOO_BIG: "message too big", POLICY: "too many fragments", INVALID_TEXT: "invalid UTF-8"}
_SLICE = 4096  # bytes given to the library at once: an event is not too far from the next


@attrs.frozen
class Answer:
    """A frame to send to the peer; empty: something was read that needs no answer."""

    frame: bytes


@attrs.frozen
class Ending:
    """The last frame to send. `broken_off`: the peer did wrong and may still be sending."""

    frame: bytes
    broken_off: bool


Event = str | bytes | Answer | Ending
_NOTHING = Answer(b"")


def ending(code: int, reason: str = "") -> Ending:
    """We break off with `code`; our own reason for it, if we have one."""
    return Ending(close_frame(code, _REASONS.get(code, reason)), broken_off=True)


class OddFrames:
    """What one client sends beside whole messages: `feed`, then `next` until it gives None."""

    __slots__ = ("_bounds", "_library", "_parts")

    def __init__(self, limit: int) -> None:
        self._bounds = MessageBounds(limit)
        self._library = Connection(ConnectionType.SERVER)
        self._parts: list[Any] = []  # of a message, all texts or all bytes

    @property
    def at_rest(self) -> bool:
        """Whether all that was begun has ended."""
        return self._bounds.at_rest

    def feed(self, data: bytes, start: int) -> int:
        """Take bytes of `data` from `start` on; where it stopped, after a whole message say.

        Takes none where a bound was passed: then `next` ends with saying so.
        """
        end = self._bounds.admit(data, start, _SLICE)
        self._library.receive_data(data[start:end])
        return end

    def next(self) -> Event | None:
        """The next event among the bytes that were fed; None if there is none yet."""
        event: object = next(self._library.events(), None)
        if isinstance(event, Message):
            return self._message(event)
        if isinstance(event, Ping):
            return Answer(pong_frame(bytes(event.payload)))
        if isinstance(event, CloseConnection):
            if self._library.state is ConnectionState.OPEN:  # no close has come: a mistake
                return ending(event.code, event.reason or "")
            return Ending(bytes(self._library.send(event.response())), broken_off=False)
        if event is None:
            return ending(self._bounds.broken) if self._bounds.broken else None
        return _NOTHING

    def _message(self, part: Message[Any]) -> Event:
        """A message once its last part has come."""
        if not part.message_finished and not part.data:
            return _NOTHING
        self._parts.append(part.data)
        if not part.message_finished:
            return _NOTHING
        parts, self._parts = self._parts, []
        if isinstance(part, TextMessage):
            return "".join(parts)
        return b"".join(parts)
