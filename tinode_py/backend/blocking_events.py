"""The log of events as an iterator that blocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType

import attrs
import httpx

from .call import Got
from .connecting import lost
from .errors import BackendError
from .events import Event
from .exchange import Lost, Wait
from .following import Begin, Happened, Open, Opened, Outcome, Read
from .progress import BlockingPositions, Done, Keep, Reading, Task


@attrs.define(eq=False)
class BlockingEventStream:
    """As EventStream; made by `BlockingBackend.events`. For one thread at a time."""

    _open: Callable[[Open], httpx.Response | Got | Lost]
    _reading: Reading
    _positions: BlockingPositions | None
    _name: str
    _response: httpx.Response | None = None
    _parts: Iterator[bytes] | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing more, after an error or by `close`."""
        return self._reading.task() is None

    def __iter__(self) -> BlockingEventStream:
        return self

    def __next__(self) -> Event:
        """The next event; the one before is done with."""
        self._reading.finish()
        while (task := self._reading.task()) is not None:
            if isinstance(task, Happened):
                return self._reading.take(task)
            try:
                self._reading.told(task, self._perform(task))
            except BackendError:
                self._reading.end()
                raise
        raise StopIteration

    def __enter__(self) -> BlockingEventStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._reading.finish()
        self.close()

    def close(self) -> None:
        """Keep where the program was, and end the stream. Safe to call twice."""
        self._reading.end()
        self._end()
        if (task := self._reading.to_keep()) is not None:
            self._reading.told(task, self._perform(task))

    def _perform(self, task: Task) -> Done:
        match task:
            case Begin() if self._positions is not None:
                return self._positions.read(self._name)
            case Keep(positions) if self._positions is not None:
                self._positions.write(self._name, positions)
            case Open():
                self._end()
                return self._opened(task)
            case Read():
                return self._read()
            case Wait(seconds):
                self._end()
                time.sleep(seconds)
        return None

    def _opened(self, wanted: Open) -> Outcome:
        opened = self._open(wanted)
        if not isinstance(opened, httpx.Response):
            return opened
        self._response, self._parts = opened, opened.iter_raw()
        return Opened()

    def _read(self) -> bytes | Lost:
        parts, self._parts = self._parts, None  # lost, unless some part comes
        if parts is None:
            return Lost("the stream was left")
        try:
            part = next(parts)
        except StopIteration:
            return Lost("the server has ended the stream")
        except httpx.HTTPError as error:
            return lost(error)
        self._parts = parts
        return part

    def _end(self) -> None:
        """Close the connection, if there is one."""
        self._parts = None
        response, self._response = self._response, None
        if response is not None:
            response.close()
