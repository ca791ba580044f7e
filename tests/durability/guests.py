"""People who hold what they are told: who is online, how far others have read, calls, a room, and
what was said in private (`books`).
"""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable

import attrs
import trio
import trio_websocket as tw

from tests.durability.books import KEYED, MARKS, Book
from tests.durability.dwellers import AWAY, RETRY
from tests.process import Gone, Packet, Talker, connected

ROOM = "tmphall"


@attrs.define(eq=False)
class Guest:
    """Somebody with one session, who comes back on any node while he is `welcome`."""

    name: str
    urls: Callable[[], list[str]]
    rng: random.Random
    token: str = ""
    user: str = ""
    peers: list[str] = attrs.field(factory=list)
    welcome: bool = True
    talker: Talker | None = None  # while he is attached to everything
    url: str = ""
    online: dict[str, bool] = attrs.field(factory=dict)  # contacts, as he was told
    room: list[object] = attrs.field(factory=list)  # what he has heard there
    signals: list[tuple[str, int]] = attrs.field(factory=list)  # of calls: the event, the number
    wrong: list[str] = attrs.field(factory=list)
    book: Book = attrs.field(init=False)
    speaks: trio.Event = attrs.field(factory=trio.Event)  # while it is set he talks to all
    talks: bool = False  # he has said something, and waits for the answer
    said: int = 0  # messages
    _unread: trio.Event = attrs.field(factory=trio.Event)

    @book.default
    def _book(self) -> Book:
        return Book(self.name, self.wrong)

    async def stay(self) -> None:
        """Until cancelled."""
        while True:
            if self.welcome:
                self.url = self.rng.choice(self.urls())
                try:
                    await self._visit()
                except* (OSError, Gone, tw.HandshakeError, tw.ConnectionClosed, trio.TooSlowError):
                    pass
                self.talker = None
            await trio.sleep(RETRY)

    async def _visit(self) -> None:
        async with connected(self.url) as talker:
            self.online.clear()
            talker.on_packet = lambda packet: self._take(talker, packet)
            if (await talker.ask(login={"scheme": "token", "secret": self.token}))["code"] >= 300:
                return
            await self._open_inbox(talker)
            for topic in (*self.peers, ROOM):
                while not await self.done(talker, sub={"topic": topic}):  # noqa: ASYNC110
                    await trio.sleep(RETRY)
            met = await talker.ask(get={"topic": "me", "what": "sub"})
            if "sub" not in met:
                return
            told = {row["topic"]: row.get("online", False) for row in met["sub"]}
            self.online = {**told, **self.online}
            self.talker = talker
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read, talker)
                await talker.ended.wait()
                nursery.cancel_scope.cancel()

    async def _open_inbox(self, talker: Talker) -> None:
        """All that has come since he was there last, then whatever comes."""
        granted = False
        while not granted:
            since = {"since": self.book.upto + 1, "limit": 1000}
            wanted = {"what": "inbox", "inbox": since}
            granted = await self.done(talker, sub={"topic": "me", "get": wanted})
            await trio.sleep(0 if granted else RETRY)
        while self.book.more:
            since = {"since": self.book.upto + 1, "limit": 1000}
            page = await talker.ask(get={"topic": "me", "what": "inbox", "inbox": since})
            if "inbox" in page:
                self.book.take_inbox(page["inbox"], self.user)

    async def _read(self, talker: Talker) -> None:
        """Note of each message that it came, and that he has read it."""
        book = self.book
        while True:
            for peer, seq in [it for it in book.unread.items() if it[1] > book.noted[it[0]]]:
                book.noted[peer] = seq
                for what in MARKS:
                    note = {"note": {"topic": peer, "what": what, "seq": seq}}
                    with contextlib.suppress(tw.ConnectionClosed):
                        await talker.socket.send_message(json.dumps(note))
            self._unread = trio.Event()
            await self._unread.wait()

    def _take(self, talker: Talker, packet: Packet) -> None:
        talker.heard.clear()
        ((kind, body),) = packet.items()
        match kind, body.get("what"):
            case "pres", "on" | "off" if body["topic"] == "me":
                self.online[body["src"]] = body["what"] == "on"
            case "meta", _ if "inbox" in body:
                self.book.take_inbox(body["inbox"], self.user)
                self._unread.set()
            case "info", "read" | "recv" if body["topic"] != "me":
                self.book.take_mark(body)
            case "info", "call":
                self.signals.append((body["event"], body["seq"]))
            case "data", _ if body["topic"] == ROOM:
                self.room.append(body["content"])

    async def done(self, talker: Talker, **request: Packet) -> bool:
        """Whether a request is granted; False: not now."""
        ctrl = await talker.ask(**request)
        if ctrl["code"] >= 400 and ctrl["code"] not in AWAY:
            self.wrong.append(f"{self.name} was answered {ctrl}")
        return int(ctrl["code"]) < 400

    async def here(self) -> Talker:
        """His session, as soon as he has one."""
        while self.talker is None:  # noqa: ASYNC110
            await trio.sleep(RETRY)
        return self.talker

    async def publish(self, topic: str, content: object, **more: object) -> int:
        """Publish until it is taken; the message's number."""
        while True:
            try:
                talker = await self.here()
                pub = {"topic": topic, "content": content, **more}
                ctrl = await talker.ask(pub=pub)
                if ctrl["code"] == 202:
                    self.book.knows(topic, ctrl["params"]["seq"], is_own=True)
                    return int(ctrl["params"]["seq"])
            except (Gone, tw.ConnectionClosed):
                pass
            await trio.sleep(RETRY)

    async def talk(self) -> None:
        """Say and set something while he `speaks`, until cancelled."""
        while True:
            await self.speaks.wait()
            self.talks = True
            peer = self.rng.choice(self.peers)
            await self.say(peer)
            await self._set(peer)
            self.talks = False
            await trio.sleep(self.rng.uniform(0, 0.1))

    async def say(self, peer: str) -> int:
        """Publish until it is taken, which is once; the message's number."""
        self.said += 1
        text = f"{KEYED}{self.name} {self.said}"
        return await self.publish(peer, text, head={"idem": text})

    async def _set(self, peer: str) -> None:
        """Keep a number with a contact, which is done or not."""
        self.book.tried[peer] += 1
        kept = {"private": {"comment": str(self.book.tried[peer])}}
        with contextlib.suppress(Gone):
            talker = await self.here()
            if await self.done(talker, set={"topic": peer, "desc": kept}):
                self.book.set[peer] = self.book.tried[peer]

    async def rows(self, topic: str) -> list[Packet]:
        """What {get sub} gives."""
        while True:
            found = await (await self.here()).ask(get={"topic": topic, "what": "sub"})
            if "sub" in found:
                return list(found["sub"])
            if found["code"] not in AWAY:
                self.wrong.append(f"{self.name} was answered {found}")
            await trio.sleep(RETRY)

    async def note(self, topic: str, what: str, seq: int, **more: str) -> None:
        """It has no answer, and may be lost."""
        talker = await self.here()
        note = {"note": {"topic": topic, "what": what, "seq": seq, **more}}
        with contextlib.suppress(tw.ConnectionClosed):
            await talker.socket.send_message(json.dumps(note))

    async def states(self, topic: str, seq: int) -> list[str]:
        """What became of a call: the heads of its messages, in order."""
        found: dict[int, Packet] = {}  # some come twice: as they are published, and as history

        def take(packet: Packet) -> None:
            if packet.get("data", {}).get("topic") == topic:
                found[packet["data"]["seq"]] = packet["data"].get("head", {})
                self.book.knows(topic, packet["data"]["seq"], is_own=False)
            self._take(talker, packet)

        talker = await self.here()
        before, talker.on_packet = talker.on_packet, take
        await talker.ask(get={"topic": topic, "what": "data", "data": {"since": seq}})
        talker.on_packet = before
        of_call = [found[n] for n in sorted(found) if n == seq or "replace" in found[n]]
        return [head["webrtc"] for head in of_call if head.get("replace", f":{seq}") == f":{seq}"]
