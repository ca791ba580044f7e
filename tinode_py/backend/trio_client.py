"""The client on Trio: httpx, and the waiting."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import httpx
import trio

from ..client.positions import Positions
from ..outbound.exchange import Whole
from .call import Call, Got
from .calls.methods import Methods
from .connecting import (
    SILENCE,
    client_options,
    is_stream,
    lost,
    place_of,
    request_of,
    stream_of,
    transport_options,
)
from .exchange import Gathering, Lost, Terms, Try, exchange
from .following import Follower, Open
from .progress import NAME, Reading
from .trio_events import CLOSING, EventStream, let_go

T = TypeVar("T")


class Backend(Methods):
    """A back end's client of the business API of one server, on Trio.

        async with Backend("http://127.0.0.1:6060", key) as backend:
            await backend.send_message("hello", user="ext:4711")

    `url` is `http://…`, `https://…` or `unix:/path/of/socket`. `key`: a key of the API, or a
    user's login token for the calls whose names have `own` or `self`. `tls`: whom to trust,
    instead of whom the system trusts. `terms`: deadlines and bounds.

    Any task may use it. A call raises a BackendError: Problem for a refusal, Unreachable, or
    Nonsense. One that is cancelled may have been carried out.
    """

    def __init__(
        self, url: str, key: str, *, tls: ssl.SSLContext | None = None, terms: Terms | None = None
    ) -> None:
        self.terms = terms or Terms()
        place = place_of(url)
        options: dict[str, Any] = client_options(place, key, self.terms)
        below: dict[str, Any] = transport_options(place, tls)
        transport = httpx.AsyncHTTPTransport(**below)
        self._http = httpx.AsyncClient(transport=transport, **options)
        self._streams: list[EventStream] = []

    async def __aenter__(self) -> Backend:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stream in self._streams:
            await stream.__aexit__(kind, error, trace)
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections. Safe to call twice."""
        for stream in self._streams:
            await stream.aclose()
        self._streams.clear()
        with trio.CancelScope(shield=True), trio.move_on_after(CLOSING):
            await self._http.aclose()

    async def carry_out(self, call: Call[T]) -> T:
        """Any call, also one of your own making."""
        steps = exchange(call, self.terms, trio.current_time)
        told: Got | Lost | None = None
        while True:
            try:
                step = steps.send(told)
            except StopIteration as done:
                answer: T = done.value
                return answer
            if isinstance(step, Try):
                told = await self._tried(step.call)
            else:
                await trio.sleep(step.seconds)
                told = None

    async def _tried(self, call: Call[Any]) -> Got | Lost:
        found = await self._ask(request_of(call))
        assert not isinstance(found, httpx.Response)
        return found

    async def _ask(
        self, request: dict[str, Any], *, stream: bool = False
    ) -> httpx.Response | Got | Lost:
        """An answer, whole; one that is a stream of events, if that was asked for, as it is."""
        with trio.move_on_after(self.terms.timeout):
            try:
                response = await self._http.send(self._made(request), stream=True)
            except httpx.HTTPError as error:
                return lost(error)
            return response if stream and is_stream(response) else await self._whole(response)
        return Lost(f"no answer in {self.terms.timeout:g} seconds")

    def _made(self, request: dict[str, Any]) -> httpx.Request:
        made = self._http.build_request(**request)
        if content := request.get("content"):
            made.stream = Whole(content)  # the call may be cancelled
        return made

    async def _whole(self, response: httpx.Response) -> Got | Lost:
        """An answer, read to its end and closed."""
        gathering, parts = Gathering(self.terms.answer_size), response.aiter_raw()
        try:
            async for part in parts:
                gathering.take(part)
        except httpx.HTTPError as error:
            return lost(error)
        finally:
            if not response.is_closed:
                await let_go(response, parts)
        return gathering.got(response.status_code, response.headers)

    def events(
        self,
        *,
        after: int | None = None,
        kinds: Sequence[str] = (),
        positions: Positions | None = None,
        name: str = NAME,
        silence: float = SILENCE,
    ) -> EventStream:
        """The log of events: an endless iterator, for one task.

            async for event in backend.events(after=0, positions=FilePositions("events.json")):
                ...

        `after`: begin after this id; 0: as far back as there is; None: from now on. `kinds`:
        some only. `positions`: where the program was, and is; goes before `after`. `name`: under
        which it is kept there. `silence`: seconds without a sign of life after which the stream
        is opened again; longer than the server's `events.heartbeat`.

        An event is done with when the next one is asked for, or at the end of the block, be it
        this client's or `async with backend.events(…) as events`. A lost connection raises
        nothing, once there was one; a refusal that will not pass raises Problem.
        """
        follower = Follower.new(self.terms, after, ",".join(kinds), trio.current_time)
        opener = partial(self._stream, silence)
        stream = EventStream(opener, Reading(follower), positions, name, silence)
        self._streams = [it for it in self._streams if not it.ended]
        self._streams.append(stream)
        return stream

    async def _stream(self, silence: float, wanted: Open) -> httpx.Response | Got | Lost:
        return await self._ask(stream_of(wanted, self.terms.timeout, silence), stream=True)
