"""The client that blocks: httpx, and the waiting."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Sequence
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

import httpx

from .blocking_events import BlockingEventStream
from .call import Call, Got
from .calls.blocking_methods import Methods
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
from .progress import NAME, BlockingPositions, Reading

T = TypeVar("T")


class BlockingBackend(Methods):
    """As Backend, for programs without a loop: every call blocks.

        with BlockingBackend("http://127.0.0.1:6060", key) as backend:
            backend.send_message("hello", user="ext:4711")

    Any thread may use it. A deadline counts from piece to piece while the head of an answer
    comes in, and over all of it from then on.
    """

    def __init__(
        self, url: str, key: str, *, tls: ssl.SSLContext | None = None, terms: Terms | None = None
    ) -> None:
        self.terms = terms or Terms()
        place = place_of(url)
        options: dict[str, Any] = client_options(place, key, self.terms)
        below: dict[str, Any] = transport_options(place, tls)
        transport = httpx.HTTPTransport(**below)
        self._http = httpx.Client(transport=transport, **options)
        self._streams: list[BlockingEventStream] = []

    def __enter__(self) -> BlockingBackend:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stream in self._streams:
            stream.__exit__(kind, error, trace)
        self.close()

    def close(self) -> None:
        """Close all connections. Safe to call twice."""
        for stream in self._streams:
            stream.close()
        self._streams.clear()
        self._http.close()

    def carry_out(self, call: Call[T]) -> T:
        """Any call, also one of your own making."""
        steps = exchange(call, self.terms, time.monotonic)
        told: Got | Lost | None = None
        while True:
            try:
                step = steps.send(told)
            except StopIteration as done:
                answer: T = done.value
                return answer
            if isinstance(step, Try):
                told = self._tried(step.call)
            else:
                time.sleep(step.seconds)
                told = None

    def _tried(self, call: Call[Any]) -> Got | Lost:
        found = self._ask(request_of(call))
        assert not isinstance(found, httpx.Response)
        return found

    def _ask(self, request: dict[str, Any], *, stream: bool = False) -> httpx.Response | Got | Lost:
        """As Backend's. What comes in drops is given up once the time is over."""
        due = time.monotonic() + self.terms.timeout
        try:
            response = self._http.send(self._http.build_request(**request), stream=True)
        except httpx.HTTPError as error:
            return lost(error)
        return response if stream and is_stream(response) else self._whole(response, due)

    def _whole(self, response: httpx.Response, due: float) -> Got | Lost:
        """An answer, read to its end and closed."""
        gathering = Gathering(self.terms.answer_size)
        try:
            with contextlib.closing(response):
                for part in response.iter_raw():
                    gathering.take(part)
                    if time.monotonic() > due:
                        return Lost(f"no answer in {self.terms.timeout:g} seconds")
        except httpx.HTTPError as error:
            return lost(error)
        return gathering.got(response.status_code, response.headers)

    def events(
        self,
        *,
        after: int | None = None,
        kinds: Sequence[str] = (),
        positions: BlockingPositions | None = None,
        name: str = NAME,
        silence: float = SILENCE,
    ) -> BlockingEventStream:
        """The log of events: an endless iterator, for one thread. All else as of Backend's."""
        follower = Follower.new(self.terms, after, ",".join(kinds), time.monotonic)
        opener = partial(self._stream, silence)
        stream = BlockingEventStream(opener, Reading(follower), positions, name)
        self._streams = [it for it in self._streams if not it.ended]
        self._streams.append(stream)
        return stream

    def _stream(self, silence: float, wanted: Open) -> httpx.Response | Got | Lost:
        return self._ask(stream_of(wanted, self.terms.timeout, silence), stream=True)
