"""People who hold what they are told: who is online, how far others have read, calls, a room."""

from __future__ import annotations

import contextlib
import json
import random
from collections import defaultdict
from collections.abc import Callable

import attrs
import trio
import trio_websocket as tw

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
    marks: dict[str, int] = attrs.field(factory=lambda: defaultdict(int))  # read by a peer
    room: list[object] = attrs.field(factory=list)  # what he has heard there
    signals: list[tuple[str, int]] = attrs.field(factory=list)  # of calls: the event, the number
    wrong: list[str] = attrs.field(factory=list)

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
            for topic in ("me", *self.peers, ROOM):
                while not await self.done(talker, sub={"topic": topic}):  # noqa: ASYNC110
                    await trio.sleep(RETRY)
            met = await talker.ask(get={"topic": "me", "what": "sub"})
            if "sub" not in met:
                return
            told = {row["topic"]: row.get("online", False) for row in met["sub"]}
            self.online = {**told, **self.online}
            self.talker = talker
            await talker.ended.wait()

    def _take(self, talker: Talker, packet: Packet) -> None:
        talker.heard.clear()
        ((kind, body),) = packet.items()
        match kind, body.get("what"):
            case "pres", "on" | "off" if body["topic"] == "me":
                self.online[body["src"]] = body["what"] == "on"
            case "info", "read" if body["topic"] != "me":
                if body["seq"] < self.marks[body["from"]]:
                    self.wrong.append(f"{self.name}: {body} after {self.marks[body['from']]}")
                self.marks[body["from"]] = body["seq"]
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
                    return int(ctrl["params"]["seq"])
            except (Gone, tw.ConnectionClosed):
                pass
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

        talker = await self.here()
        before, talker.on_packet = talker.on_packet, take
        await talker.ask(get={"topic": topic, "what": "data", "data": {"since": seq}})
        talker.on_packet = before
        of_call = [found[n] for n in sorted(found) if n == seq or "replace" in found[n]]
        return [head["webrtc"] for head in of_call if head.get("replace", f":{seq}") == f":{seq}"]
