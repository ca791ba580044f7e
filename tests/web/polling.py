"""A client of bare bytes that polls, over memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import attrs
import trio.testing

from tests.web.parts import KEY, Reader, request
from tinode_py.testing import RunningServer

LP = "/v0/channels/lp"
ASKED = f"{LP}?apikey={KEY}"
GET_ME = '{"get":{"id":"g","topic":"me","what":"desc"}}'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HEADERS = {
    "content-type": "text/plain",
    "access-control-allow-origin": "*",
    "cache-control": "no-cache, no-store, must-revalidate",
    "expires": "0",
}
Packet = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


async def ask(server: RunningServer, *args: Any, **more: Any) -> Answer:
    """The answer to one request (as of `parts.request`) on a connection of its own."""
    async with server.stream() as stream:
        await stream.send_all(request(*args, **more))
        return await Reader(stream).answer()


def ctrl(answer: Answer) -> Packet:
    """The {ctrl} that is the body of an answer."""
    found: Packet = json.loads(answer[2])["ctrl"]
    return found


def has_headers(answer: Answer) -> bool:
    """Whether an answer may be read by any page and is kept by nobody."""
    return HEADERS.items() <= answer[1].items()


@attrs.define(eq=False)
class Poller:
    """One session. Answers go to who asked for them, the rest is kept."""

    server: RunningServer
    sid: str
    user: str = ""
    seen: list[Packet] = attrs.field(factory=list)
    _count: int = 0

    @property
    def target(self) -> str:
        return f"{ASKED}&sid={self.sid}"

    async def post(self, body: str | bytes, headers: Mapping[str, str] | None = None) -> Answer:
        data = body.encode() if isinstance(body, str) else body
        return await ask(self.server, "POST", self.target, headers, body=data)

    async def poll(self) -> Answer:
        return await ask(self.server, "GET", self.target)

    async def next(self) -> Packet:
        """The next packet. Empty polls are repeated."""
        while True:
            status, _, body = await self.poll()
            assert status == 200, body
            if body:
                assert body.endswith(b"}\n") or body == b"0"
                packet: Packet = json.loads(body)
                return packet

    async def ask(self, **asked: Any) -> Packet:
        """Post one request with an id; the {ctrl} or {meta} that answers it."""
        ((kind, members),) = asked.items()
        self._count += 1
        ident = f"{self._count}"
        assert (await self.post(json.dumps({kind: {"id": ident, **members}})))[0] == 200
        while True:
            packet = await self.next()
            for body in packet.values():
                if isinstance(body, dict) and body.get("id") == ident:
                    return body
            self.seen.append(packet)

    async def until(self, kind: str) -> Packet:
        """The next packet of a kind, seen already or to come."""
        while True:
            for packet in self.seen:
                if kind in packet:
                    self.seen.remove(packet)
                    found: Packet = packet[kind]
                    return found
            self.seen.append(await self.next())


async def opened(server: RunningServer) -> Poller:
    answer = await ask(server, "POST", ASKED)
    assert answer[0] == 201, answer
    return Poller(server, ctrl(answer)["params"]["sid"])


async def greeted(server: RunningServer) -> Poller:
    poller = await opened(server)
    assert (await poller.ask(hi={"ver": "0.25", "ua": "poller/1"}))["code"] == 200
    return poller


async def registered(server: RunningServer, name: str) -> Poller:
    """A session of a new account, attached to `me`."""
    poller = await greeted(server)
    secret = base64.b64encode(f"{name}:{name}-password".encode()).decode()
    account = {"user": "new", "scheme": "basic", "secret": secret, "login": True}
    poller.user = (await poller.ask(acc=account))["params"]["user"]
    assert (await poller.ask(sub={"topic": "me"}))["code"] == 200
    return poller


async def friends(server: RunningServer) -> tuple[Poller, Poller]:
    """Two who know each other and are on `me`; all of that was read."""
    alice, bob = await registered(server, "alice"), await registered(server, "bobby")
    await alice.ask(sub={"topic": bob.user})
    await bob.ask(sub={"topic": alice.user})
    await alice.ask(get={"topic": "me", "what": "desc"})
    alice.seen.clear()
    bob.seen.clear()
    return alice, bob


class Hanging:
    """A poll that was sent; its answer is awaited later, or never."""

    def __init__(self, server: RunningServer) -> None:
        self.stream: Any = server.stream()

    async def begin(self, poller: Poller) -> Hanging:
        await self.stream.send_all(request("GET", poller.target))
        await trio.testing.wait_all_tasks_blocked()
        return self

    def close(self) -> None:
        """Vanish, without a checkpoint."""
        self.stream.send_stream.close()
        self.stream.receive_stream.close()

    async def answer(self) -> Answer:
        return await Reader(self.stream).answer()
