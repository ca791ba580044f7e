"""The log of events as an iterator, on Trio."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType

import attrs
import httpx
import trio

from ..client.positions import Positions
from .call import Got
from .connecting import lost
from .errors import BackendError
from .events import Event
from .exchange import Lost, Wait
from .following import Begin, Happened, Open, Opened, Outcome, Read
from .progress import Done, Keep, Reading, Task

CLOSING = 5.0  # seconds for closing a stream, and for keeping where it was


async def let_go(response: httpx.Response, parts: AsyncIterator[bytes] | None) -> None:
    """Close an answer that was not read to its end.

    `parts`: its body, if it may not have ended. It is ended by cancelling a read: that ends all
    the generators within, too, which closing would leave to the garbage collector.
    """
    if parts is not None:
        with trio.CancelScope(shield=True) as reading, contextlib.suppress(httpx.HTTPError):
            reading.cancel()
            async for _ in parts:
                pass
    with trio.CancelScope(shield=True), trio.move_on_after(CLOSING):
        await response.aclose()


@attrs.define(eq=False)
class EventStream:
    """Events in their order, for ever; made by `Backend.events`. For one task at a time.

    May be left at any time, also by cancellation: no event is lost by it, and the next call goes
    on after the last one that was given out. After an error there is nothing more.
    """

    _open: Callable[[Open], Awaitable[httpx.Response | Got | Lost]]
    _reading: Reading
    _positions: Positions | None
    _name: str
    _silence: float
    _response: httpx.Response | None = None
    _parts: AsyncIterator[bytes] | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing more, after an error or by `aclose`."""
        return self._reading.task() is None

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> Event:
        """The next event; the one before is done with."""
        self._reading.finish()
        await trio.lowlevel.checkpoint()  # also where what comes is there already
        while (task := self._reading.task()) is not None:
            if isinstance(task, Happened):
                return self._reading.take(task)
            try:
                self._reading.told(task, await self._perform(task))
            except BackendError:
                self._reading.end()
                raise
        raise StopAsyncIteration

    async def __aenter__(self) -> EventStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._reading.finish()
        await self.aclose()

    async def aclose(self) -> None:
        """Keep where the program was, and end the stream. Safe to call twice."""
        self._reading.end()
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSING):
            await self._end()
            if (task := self._reading.to_keep()) is not None:
                self._reading.told(task, await self._perform(task))

    async def _perform(self, task: Task) -> Done:
        match task:
            case Begin() if self._positions is not None:
                return await self._positions.load(self._name)
            case Keep(positions) if self._positions is not None:
                await self._positions.save(self._name, positions)
            case Open():
                await self._end()
                return await self._opened(task)
            case Read():
                return await self._read()
            case Wait(seconds):
                await self._end()
                await trio.sleep(seconds)
        return None

    async def _opened(self, wanted: Open) -> Outcome:
        opened = await self._open(wanted)
        if not isinstance(opened, httpx.Response):
            return opened
        self._response = opened
        self._parts = opened.aiter_raw()
        return Opened()

    async def _read(self) -> bytes | Lost:
        parts, self._parts = self._parts, None  # lost, unless some part comes
        if parts is None:
            return Lost("the stream was left")
        with trio.move_on_after(self._silence):
            try:
                part = await anext(parts)
            except StopAsyncIteration:
                return Lost("the server has ended the stream")
            except httpx.HTTPError as error:
                return lost(error)
            self._parts = parts
            return part
        return Lost(f"nothing was said for {self._silence:g} seconds")

    async def _end(self) -> None:
        """Close the connection, if there is one."""
        parts, self._parts = self._parts, None
        response, self._response = self._response, None
        if response is not None:
            await let_go(response, parts)
