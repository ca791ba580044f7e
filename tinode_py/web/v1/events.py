"""The log of events as a stream of server-sent events (docs/events.md)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from typing import get_args

import attrs
import msgspec
import trio
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from ...errors import StoreError
from ...live.events import Events
from ...live.journal import Journal
from ...live.telling import STORED, Told
from ...records import EventPage
from ..http import Receive, Scope, Send
from .access import Gate
from .backend import Call, Handler
from .problem import Problem
from .shape_events import Kind

log = logging.getLogger(__name__)

KINDS = frozenset(get_args(Kind))
SCOPE = "events:read"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
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
    reader = _Reader(journal, backend.gate, call.request, kinds, topics, beat)
    return _Stream(backend.events, reader.frames(position))


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
    """One reader's frames. The key is looked at again with each heartbeat."""

    journal: Journal
    gate: Gate
    request: Request
    kinds: frozenset[str]
    topics: frozenset[str]
    beat: float  # seconds

    async def frames(self, position: int) -> AsyncIterator[bytes]:
        """Pieces of the stream, until the server stops or the key has ended."""
        messages = not self.kinds or STORED in self.kinds
        yield _RETRY + _at(position)
        shown, due = position, trio.current_time() + self.beat
        while not self.journal.closed:
            if trio.current_time() >= due:
                if not await self._may_go_on():
                    return
                yield _at(position) if position > shown else _BEAT
                shown, due = position, trio.current_time() + self.beat
            with trio.move_on_at(due) as quiet:
                try:
                    portion = await self.journal.after(position, messages=messages)
                except StoreError:
                    log.exception("a stream of events ends: the store failed")
                    return
            if quiet.cancelled_caught:
                continue
            if portion.first > position + 1:
                yield _gap(position, portion.first)
            wanted = b"".join(event.frame for event in portion.events if self._wants(event))
            position = portion.reached
            if wanted:
                yield wanted
                shown = portion.events[-1].id

    def _wants(self, event: Told) -> bool:
        if self.topics and event.topic not in self.topics:
            return False
        return not self.kinds or event.kind in self.kinds

    async def _may_go_on(self) -> bool:
        try:
            await self.gate.authorized(self.request, SCOPE)
        except Problem as problem:
            return problem.status == 429
        return True


def _at(position: int) -> bytes:
    """Tells the reader where he is, so that he goes on from there."""
    return _frame(position, {"id": position, "kind": "stream.at"})


def _gap(position: int, first: int) -> bytes:
    gone = {"id": first - 1, "kind": "stream.gap", "detail": {"after": position, "first": first}}
    return _frame(first - 1, gone)


def _frame(position: int, data: Mapping[str, object]) -> bytes:
    text = msgspec.json.encode(data)
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (position, str(data["kind"]).encode(), text)


class _Stream(StreamingResponse):
    """Holds a place among the readers while it is sent; 503 if there is none."""

    def __init__(self, events: Events, frames: AsyncIterator[bytes]) -> None:
        super().__init__(frames, headers=_HEADERS, media_type="text/event-stream")
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streams = self._events.streams
        try:
            streams.acquire_on_behalf_of_nowait(self)
        except trio.WouldBlock:
            most = int(streams.total_tokens)
            problem = Problem(503, f"{most} streams are read already", headers={"Retry-After": "5"})
            await problem.response()(scope, receive, send)
            return
        try:
            with self._events.journal.reading():
                await super().__call__(scope, receive, send)
        finally:
            streams.release_on_behalf_of(self)


HANDLERS: Mapping[str, Handler] = {"readEvents": read_events}
