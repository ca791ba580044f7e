"""How much one websocket message may be, judged by the heads of its frames.

The library counts characters, not bytes, and does not count empty fragments; and it judges
after it has kept what came. This walks over the bytes first, and keeps none. It also knows
where the library has been given whole messages and nothing more.
"""

from __future__ import annotations

TOO_BIG = 1009
POLICY = 1008
_FIN, _OPCODE, _MASKED, _LENGTH = 0x80, 0x0F, 0x80, 0x7F
_LAST_DATA_OPCODE = 2
_LONGEST_HEAD = 14
_LONGEST = (1 << 63) - 1  # bytes of payload: the highest bit of a length must not be set


class MessageBounds:
    """Follows the frames of one client; says where a message goes too far.

    A message may have `limit` bytes of payload, and fragments in proportion. Whether frames are
    correct in all else is not judged here.
    """

    __slots__ = ("_head", "_limit", "_most_parts", "_open", "_parts", "_size", "_skip", "broken")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._most_parts = 1024 + limit // 32
        self._head = b""  # of a frame head that is not complete
        self._skip = 0  # bytes of payload still to come
        self._open = False  # more fragments are to come
        self._size = 0  # of the message so far
        self._parts = 0
        self.broken = 0  # the close code once a bound was passed

    @property
    def at_rest(self) -> bool:
        """Whether no frame and no message has begun and not ended."""
        return not (self._skip or self._head or self._open)

    def admit(self, data: bytes, start: int, most: int) -> int:
        """Where in `data` the bytes from `start` that may pass end: about `most` of them.

        That is after the first frame that leaves nothing open, else before the frame that is
        too much, else where enough are taken.
        """
        size, position = min(len(data), start + most), start
        while position < size and (position == start or not self.at_rest):
            if self._skip:
                step = min(self._skip, size - position)
                self._skip -= step
                position += step
                continue
            known = len(self._head)
            head = self._head + data[position : position + _LONGEST_HEAD - known]
            length = _head_length(head)
            if len(head) < length:
                self._head = head
                return len(data)
            self._head = b""
            payload = _payload_length(head)
            if not self._allowed(head[0], payload):
                return position
            self._skip = payload
            position += length - known
        return position

    def _allowed(self, first: int, payload: int) -> bool:
        opcode = first & _OPCODE
        if opcode > _LAST_DATA_OPCODE or payload > _LONGEST:
            return True  # the library refuses long control frames, and what is no length
        if opcode:
            self._size = self._parts = 0
        self._open = not first & _FIN
        self._size += payload
        self._parts += 1
        if self._size > self._limit:
            self.broken = TOO_BIG
        elif self._parts > self._most_parts:
            self.broken = POLICY
        return not self.broken


def _head_length(head: bytes) -> int:
    """Of the frame whose first bytes these are; with fewer than two, two."""
    if len(head) < 2:
        return 2
    short = head[1] & _LENGTH
    extended = 2 if short == 126 else 8 if short == 127 else 0
    return 2 + extended + (4 if head[1] & _MASKED else 0)


def _payload_length(head: bytes) -> int:
    short = head[1] & _LENGTH
    if short < 126:
        return short
    return int.from_bytes(head[2:4] if short == 126 else head[2:10], "big")
