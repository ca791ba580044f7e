"""Server-sent events out of bytes (the WHATWG's rules), within a bound. Pure."""

from __future__ import annotations

import re

import attrs

from .errors import Nonsense

_END = re.compile(rb"[\r\n]")


@attrs.frozen
class Block:
    """One event of a stream: its type and its data."""

    event: str
    data: str


@attrs.define
class Parser:
    """Takes a stream in whatever pieces it comes; `most` bytes of one event are held at most."""

    most: int
    _rest: bytearray = attrs.field(factory=bytearray)  # of a line that has not ended
    _event: str = ""
    _data: list[str] = attrs.field(factory=list)
    _size: int = 0  # of the lines of this event
    _seen: int = 0  # bytes of the rest that hold no end of a line
    _begun: bool = False

    def feed(self, part: bytes) -> list[Block]:
        """The events that are whole now. Nonsense for one that is too long, or is no UTF-8."""
        self._rest += part
        found = []
        while (line := self._line()) is not None:
            if block := self._take(line):
                found.append(block)
        if len(self._rest) + self._size > self.most:
            raise Nonsense(f"an event of more than {self.most} bytes")
        return found

    def _line(self) -> bytes | None:
        """The next line that has ended; CR, LF and CRLF end one. A CR waits for what follows."""
        found, size = _END.search(self._rest, self._seen), len(self._rest)
        end = found.start() if found else size
        del found  # it holds the bytes, which are to be changed
        if end == size or (end == size - 1 and self._rest.endswith(b"\r")):
            self._seen = end
            return None
        line = bytes(self._rest[:end])
        del self._rest[: end + (2 if self._rest[end : end + 2] == b"\r\n" else 1)]
        self._seen = 0
        return line

    def _take(self, line: bytes) -> Block | None:
        if not self._begun:
            line, self._begun = line.removeprefix(b"\xef\xbb\xbf"), True
        if not line:
            return self._finish()
        self._size += len(line)
        if self._size > self.most:
            raise Nonsense(f"an event of more than {self.most} bytes")
        try:
            name, _, value = line.decode("utf-8").partition(":")
        except UnicodeDecodeError:
            raise Nonsense("an event that is not UTF-8") from None
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif not name:
            self._size -= len(line)  # a comment is not kept
        return None

    def _finish(self) -> Block | None:
        block = Block(self._event or "message", "\n".join(self._data)) if self._data else None
        self._event, self._data, self._size = "", [], 0
        return block
