"""The log of events as a stream of server-sent events (docs/events.md)."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping
from typing import get_args

import attrs
import msgspec
import trio
from starlette.responses import Response

from ...errors import StoreError
from ...live.events import Events
from ...live.journal import Journal
from ...live.telling import STORED, Told
from ...records import EventPage
from ..http import Receive, Scope, Send, TakeOver, Way
from .access import Gate
from .backend import Call, Handler
from .problem import Problem
from .shape_events import Kind

log = logging.getLogger(__name__)

SCOPE = "events:read"
KINDS = frozenset(get_args(Kind))
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no", "connection": "close"}
_BEAT = b": \n\n"
_RETRY = b"retry: 1000\n\n"


async def read_events(call: Call) -> Response:
    """A stream from where the reader left off."""
    backend, caller = call.backend, call.caller
    if caller.key is not None and caller.key.tags:
        raise Problem(403, "a key that is limited to tags reads no events")
    kinds = _kinds(call.query.kinds)
    topics = frozenset(caller.key.topics) if caller.key is not None else frozenset[str]()
    journal = backend.events.journal
    position = _position(call, await journal.bounds())
    if call.request.method == "HEAD":
        return Response(headers=_HEADERS, media_type="text/event-stream")
    beat = backend.settings.events.heartbeat
    shown = call.request.headers.get("authorization", "")
    reader = _Reader(journal, backend.gate, shown, kinds, topics, beat)
    return _Stream(backend.events, functools.partial(reader.run, position))


def _kinds(text: str) -> frozenset[str]:
    found = frozenset(kind.strip() for kind in text.split(",") if kind.strip())
    if unknown := sorted(found - KINDS):
        raise Problem.field("kinds", f"there is no {unknown[0]!r}")
    return found


def _position(call: Call, bounds: EventPage) -> int:
    """The number after which to begin: the header's, else the query's, else the last."""
    name, after = "after", call.query.after
    shown = call.request.headers.get("last-event-id", "").strip()
    if shown:
        if not (shown.isascii() and shown.isdigit() and len(shown) < 17):
            raise Problem.field("Last-Event-ID", "wants the id of an event")
        name, after = "Last-Event-ID", int(shown)
    if after is None:
        return bounds.last
    if after > bounds.last:
        raise Problem(
            409,
            f"`{name}`: the log ends at {bounds.last}; was the database restored from a backup?",
        )
    return int(after)


@attrs.frozen
class _Reader:
    """One reader. The key is looked at again with each heartbeat."""

    journal: Journal
    gate: Gate
    shown: str  # the request's `Authorization`
    kinds: frozenset[str]
    topics: frozenset[str]
    beat: float  # seconds

    async def run(self, position: int, way: Way) -> None:
        """Send the stream until the reader leaves, the server stops or the key has ended."""
        with self.journal.reading():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_left, way, nursery.cancel_scope)
                await way.send(_RETRY + _at(position))
                try:
                    await self._tell(position, way)
                except StoreError:
                    log.exception("a stream of events ends: the store failed")
                await way.end()
                nursery.cancel_scope.cancel()

    async def _tell(self, position: int, way: Way) -> None:
        messages = not self.kinds or STORED in self.kinds
        shown, due = position, trio.current_time() + self.beat
        while not self.journal.closed:
            if trio.current_time() >= due:
                if not await self.gate.stands(self.shown, SCOPE):
                    return
                await way.send(_at(position) if position > shown else _BEAT)
                shown, due = position, trio.current_time() + self.beat
            with trio.move_on_at(due) as quiet:
                portion = await self.journal.after(position, messages=messages)
            if quiet.cancelled_caught:
                continue
            if portion.first > position + 1:
                await way.send(_gap(position, portion.first))
            wanted = b"".join(event.frame for event in portion.events if self._wants(event))
            position = portion.reached
            if wanted:
                await way.send(wanted)
                shown = portion.events[-1].id

    def _wants(self, event: Told) -> bool:
        if self.topics and event.topic not in self.topics:
            return False
        return not self.kinds or event.kind in self.kinds


async def _until_left(way: Way, scope: trio.CancelScope) -> None:
    await way.wait_left()
    scope.cancel()


def _at(position: int) -> bytes:
    """Tells the reader where he is, so that he goes on from there."""
    return _frame(position, {"id": position, "kind": "stream.at"})


def _gap(position: int, first: int) -> bytes:
    gone = {"id": first - 1, "kind": "stream.gap", "detail": {"after": position, "first": first}}
    return _frame(first - 1, gone)


def _frame(position: int, data: Mapping[str, object]) -> bytes:
    text = msgspec.json.encode(data)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (position, str(data["kind"]).encode(), text)


class _Stream(Response):
    """Holds a place among the readers while it is sent; 503 if there is none.

    It takes the connection over: streams stay for hours, and there may be thousands.
    """

    def __init__(self, events: Events, run: TakeOver) -> None:
        super().__init__(headers=_HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        self._events, self._run = events, run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams, place = self._events.streams, object()
        try:
            streams.acquire_on_behalf_of_nowait(place)
        except trio.WouldBlock:
            most = int(streams.total_tokens)
            problem = Problem(503, f"{most} streams are read already", headers={"Retry-After": "5"})
            await problem.response()(scope, receive, send)
            return
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
        except BaseException:
            streams.release_on_behalf_of(place)
            raise
        scope["state"]["take_over"](functools.partial(_held, streams, place, self._run))


async def _held(streams: trio.CapacityLimiter, place: object, run: TakeOver, way: Way) -> None:
    try:
        await run(way)
    finally:
        streams.release_on_behalf_of(place)


HANDLERS: Mapping[str, Handler] = {"readEvents": read_events}
