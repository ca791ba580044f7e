"""Over one connection after the other: attach, fill the gaps, hand on what comes.

Two tasks per connection. One takes every packet as it comes and never waits. The other fetches
what `streams` says is missing, a page at a time, as fast as the consumers take it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs
import trio

from .backoff import Backoff
from .client import Client
from .codec import Packet
from .consumers import Consumers, is_private
from .errors import DISCONNECTED, ClientError
from .events import Detached, Event, Message, Note, Notice, Presence
from .streams import NOW, Stream

INBOX = "inbox"
PAGE = 100
EVICTED = 205
NONSENSE = 502
_NONSENSE = (AttributeError, KeyError, TypeError, ValueError)  # of reading a packet
log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Following:
    """The streams that are followed, for as long as the client lives."""

    consumers: Consumers
    tell: Callable[[Event], None]
    streams: dict[str, Stream] = attrs.field(factory=lambda: {INBOX: Stream()})
    topics: dict[str, None] = attrs.field(factory=dict)  # to be attached by every connection
    attached: dict[str, None] = attrs.field(factory=dict)  # by this connection, by age
    _wanted: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)
    _caught: dict[str, int] = attrs.field(factory=dict)  # taken from the topics, not the inbox
    _on_me: bool = False
    _failure: ClientError | None = None

    def expect(self, topic: str, position: int = NOW) -> None:
        """Follow a topic as soon as it is attached. Private messages come by the inbox."""
        self.topics[topic] = None
        if not is_private(topic):
            self.streams.setdefault(topic, Stream(position))

    def forget(self, topic: str) -> bool:
        """Follow a topic no more; whether it was."""
        self.attached.pop(topic, None)
        self.streams.pop(topic, None)
        self.consumers.progress.forget(topic)
        return self.topics.pop(topic, self) is None

    def wake(self) -> None:
        """Something may be fetched that could not before."""
        self._wanted.unpark_all()

    # --- one connection ------------------------------------------------------------------

    async def run(self, client: Client, ready: Callable[[], None]) -> None:
        """Follow over a connection that is logged in, to its end. Raises why it ended."""
        self._failure, self._on_me = None, False
        self.attached.clear()
        for stream in self.streams.values():
            stream.begin()
        async with trio.open_nursery() as nursery:
            end = nursery.cancel_scope
            nursery.start_soon(self._guarded, self._resume(client, ready), end)
            nursery.start_soon(self._guarded, self._fill(client), end)
            nursery.start_soon(self._guarded, self._take_all(client), end)
        raise self._failure or ClientError(DISCONNECTED, "disconnected")

    async def _guarded(self, work: Awaitable[None], end: trio.CancelScope) -> None:
        try:
            await work
        except ClientError as error:
            self._failure = self._failure or error
            end.cancel()
        except _NONSENSE as error:
            log.exception("the server sent what makes no sense")
            self._failure = ClientError(NONSENSE, f"the server sent nonsense: {error!r}")
            end.cancel()

    async def _take_all(self, client: Client) -> None:
        async for packet in client:
            self._take(packet, client)
        raise ClientError(DISCONNECTED, "disconnected")

    async def _resume(self, client: Client, ready: Callable[[], None]) -> None:
        await client.sub("me")
        if self.streams[INBOX].position == NOW:
            await self._fetch(client, INBOX)  # no items: from now on
        self._on_me = True
        self.wake()
        for topic in tuple(self.topics):
            try:
                await self.attach(client, topic)
            except ClientError as error:
                if is_passing(error):
                    raise
                self._lose(topic, error.code, error.text)
        ready()

    async def attach(self, client: Client, topic: str) -> None:
        """Attach to a topic, and learn how far it goes if it is followed."""
        reply = await client.sub(topic, get={"what": "desc"})
        self.attached[topic] = None
        stream = self.streams.get(topic)
        if stream is None:
            return
        meta = reply.meta or (await client.get(topic, "desc")).meta
        desc = meta.get("desc", {})
        if "R" not in (desc.get("acs") or {}).get("mode", "R"):
            stream.is_closed()
        else:
            new = stream.position == NOW
            stream.is_all(desc.get("seq", 0))
            if new:
                self.consumers.passed(topic, stream.position)
        self.wake()

    # --- what comes ----------------------------------------------------------------------

    def _take(self, packet: Packet, client: Client) -> None:
        if "data" in packet:
            self._take_data(packet["data"])
        elif "meta" in packet:
            self._take_live(packet["meta"].get("inbox") or {})
        elif "pres" in packet:
            presence = Presence.of(packet["pres"])
            if presence.what == "term":
                client.abort()  # to begin anew is the surest way back
            self.tell(presence)
        elif "info" in packet:
            self.tell(Note.of(packet["info"]))
        elif "ctrl" in packet:
            self._take_ctrl(packet["ctrl"])

    def _take_data(self, body: Packet) -> None:
        topic, seq = body["topic"], body.get("seq", 0)
        stream = self.streams.get(topic)
        if not seq:
            if self.consumers.can_take():
                self.consumers.hand_on_unnumbered(Message.of(body))
        elif stream is not None and not is_private(topic):
            self._take_next(stream, topic, seq, body)

    def _take_live(self, inbox: Packet) -> None:
        stream = self.streams[INBOX]
        for item in inbox.get("items", ()):
            self._take_next(stream, INBOX, item["n"], item)
        if inbox:
            self._exists(stream, inbox["last"])

    def _take_next(self, stream: Stream, name: str, number: int, body: Packet) -> None:
        if stream.is_next(number) and self.consumers.can_take():
            self._hand_on(stream, name, number, body)
        else:
            self._exists(stream, number)

    def _exists(self, stream: Stream, number: int) -> None:
        stream.exists(number)
        if stream.behind:
            self.wake()

    def _take_ctrl(self, ctrl: Packet) -> None:
        if ctrl.get("code") != EVICTED:
            return
        topic, text = ctrl.get("topic", ""), ctrl.get("text", "")
        if topic:
            self._lose(topic, EVICTED, text)
        elif text == "evicted":
            why = str((ctrl.get("params") or {}).get("reason", text))
            self._failure = ClientError(EVICTED, why)
        else:
            self._failure = ClientError(DISCONNECTED, text)

    def _lose(self, topic: str, code: int, text: str) -> None:
        if self.forget(topic):
            self.tell(Detached(topic, code, text))

    # --- what is missing -----------------------------------------------------------------

    async def _fill(self, client: Client) -> None:
        backoff = Backoff()
        while True:
            names = [name for name, stream in self.streams.items() if _to_fetch(name, stream)]
            if not names or not self._on_me:
                await self._wanted.park()
                continue
            for name in names:
                await self.consumers.wait_room()
                try:
                    await self._fetch(client, name)
                    backoff.reset()
                except ClientError as error:
                    if error.code == DISCONNECTED or not is_passing(error):
                        self._refused(name, error)
                    await trio.sleep(backoff.next())

    def _refused(self, name: str, error: ClientError) -> None:
        if name == INBOX or error.code == DISCONNECTED:
            raise error
        if name in self.streams:
            self.streams[name].is_closed()

    async def _fetch(self, client: Client, name: str) -> None:
        """One page of a stream, if it is still there."""
        stream = self.streams.get(name)
        if stream is None:
            return
        if name == INBOX:
            await self._fetch_inbox(client, stream)
        else:
            await self._fetch_topic(client, name, stream)

    async def _fetch_topic(self, client: Client, name: str, stream: Stream) -> None:
        first = stream.position + 1
        last = min(stream.position + PAGE, stream.last)  # what comes later is not in the answer
        for body in await _page(client, name, first, last):
            await self._wait_and_hand_on(stream, name, body["seq"], body)
        if last > stream.position:
            stream.reached(last)
            self.consumers.passed(name, last)

    async def _fetch_inbox(self, client: Client, stream: Stream) -> None:
        query = {} if stream.position == NOW else {"since": stream.position + 1, "limit": PAGE}
        page = (await client.get("me", "inbox", inbox=query)).meta["inbox"]
        gap = stream.position != NOW and stream.position + 1 < page["first"]
        stream.is_all(page["last"])
        if gap:
            await self._fetch_expired(client, stream)
        for item in page["items"]:
            await self._wait_and_hand_on(stream, INBOX, item["n"], item)
        if not page.get("more") and page["last"] >= stream.position:
            stream.reached(page["last"])
            self.consumers.passed(INBOX, page["last"])
            self._caught.clear()

    async def _fetch_expired(self, client: Client, stream: Stream) -> None:
        """Take from the conversations themselves what the inbox does not hold any more."""
        kept = dict(self.consumers.progress.kept)
        for row in (await client.get("me", "sub")).meta.get("sub", ()):
            topic, last = row.get("topic", ""), row.get("seq", 0)
            position = self._caught.get(topic, kept.get(topic, 0))
            if not is_private(topic) or position == last:
                continue
            if position > last:  # another conversation with the same one
                position = 0
            if topic not in self.attached:
                await self.attach(client, topic)
            for first in range(position + 1, last + 1, PAGE):
                for body in await _page(client, topic, first, min(first + PAGE - 1, last)):
                    await self.consumers.wait_room()
                    self.consumers.hand_on(Message.of(body), INBOX, stream.position)
                    self._caught[topic] = body["seq"]

    async def _wait_and_hand_on(self, stream: Stream, name: str, number: int, body: Packet) -> None:
        stream.exists(number)  # so that what comes live meanwhile does not overtake
        await self.consumers.wait_room()
        if number > stream.position:
            self._hand_on(stream, name, number, body)

    def _hand_on(self, stream: Stream, name: str, number: int, body: Packet) -> None:
        stream.reached(number)
        caught = name == INBOX and body.get("seq", 0) <= self._caught.get(body["topic"], 0)
        if body.get("deleted") or (caught and "kind" not in body):
            self.consumers.passed(name, number)
        elif "kind" in body:
            self.consumers.hand_on(Notice.of(body), name, number)
        else:
            self.consumers.hand_on(Message.of(body), name, number)


def _to_fetch(name: str, stream: Stream) -> bool:
    """A topic has to be attached first, which tells how far it goes."""
    return stream.behind and (name == INBOX or not stream.unsure)


async def _page(client: Client, topic: str, first: int, last: int) -> list[Packet]:
    """The messages with these numbers that are still there, in order."""
    window = {"since": first, "before": last + 1, "limit": PAGE}
    reply = await client.get(topic, "data", data=window)
    return sorted(reply.data, key=lambda body: int(body["seq"]))


def is_passing(error: ClientError) -> bool:
    """Whether the same request may succeed later, or over another connection."""
    return error.code in (DISCONNECTED, 429) or error.code >= 500
