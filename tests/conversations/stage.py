"""Playing a conversation: sessions over a world, step by step."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import attrs
import trio

from tinode_py.client import Client, ClientError

from .pattern import Names, differences
from .script import Act, Packet, Script, Step


class World(Protocol):
    """The server that is talked to."""

    nursery: trio.Nursery

    def login(self, name: str) -> str:
        """The login of a user of this name."""

    def connect(self) -> tuple[AbstractAsyncContextManager[Client], Callable[[], Awaitable[None]]]:
        """A connection to be opened, and how to break it."""

    async def settle(self) -> None:
        """Return once nothing more will happen by itself."""

    async def make_root(self, login: str) -> None: ...

    async def drain(self) -> None: ...


@attrs.define
class Device:
    """One session of the conversation."""

    client: Client
    vanish: Callable[[], Awaitable[None]]
    ids: set[str] = attrs.field(factory=set)
    told_closed: bool = False

    async def send(self, packet: Packet) -> None:
        kind = next(name for name in packet if name != "extra")
        ident = str(len(self.ids) + 1)
        self.ids.add(ident)
        body = packet[kind] if kind == "note" else {"id": ident, **packet[kind]}
        await self.client.send({**packet, kind: body})

    def take(self) -> list[Packet]:
        """All that came, without times and ids; the end of the connection counts as a packet."""
        packets = [self._plain(packet) for packet in self.client.receive_all_nowait()]
        if self.client.closed and not self.told_closed:
            self.told_closed = True
            packets.append({"closed": self.client.close_code})
        return packets

    def _plain(self, packet: Packet) -> Packet:
        kind, body = next(iter(packet.items()))
        assert kind not in ("ctrl", "meta", "data") or "ts" in body, packet
        ident = body.get("id", "")
        assert not ident or ident in self.ids, packet
        return {kind: {name: part for name, part in body.items() if name not in ("ts", "id")}}


@attrs.define
class Stage:
    """A conversation under way."""

    world: World
    names: Names = attrs.field(factory=Names)
    devices: dict[str, Device] = attrs.field(factory=dict)

    async def play(self, script: Script) -> None:
        """Play all of it; AssertionError says what was different."""
        for step in script.steps:
            came = await self.take_step(step)
            if not step.is_quiet:
                wrong = self._compare(step, came)
                first = step.acts[0]
                assert not wrong, "\n".join([f"after line {first.line}:", *wrong])

    async def take_step(self, step: Step) -> dict[str, list[Packet]]:
        """Do what a step says; what everybody got of it."""
        for act in step.acts:
            await self._do(act)
        await self.world.settle()
        came = {name: device.take() for name, device in self.devices.items()}
        if step.is_quiet:
            errors = [
                p for ps in came.values() for p in ps if p.get("ctrl", {}).get("code", 0) >= 400
            ]
            assert not errors, f"line {step.acts[0].line}: {errors}"
        return came

    def _compare(self, step: Step, came: dict[str, list[Packet]]) -> list[str]:
        wrong = [f"line {e.line}: no {e.who}" for e in step.expected if e.who not in came]
        for who, packets in came.items():
            lines = [line for line in step.expected if line.who == who]
            wrong += [f"{who}: {text}" for text in differences(self.names, lines, packets)]
        return wrong

    async def _do(self, act: Act) -> None:
        match act.what:
            case ">" | ">>":
                await self.devices[act.who].send(self.names.fill(act.packet))
            case "wait":
                await trio.sleep(act.seconds)
            case "vanishes":
                await self.devices[act.who].vanish()
            case "leaves":
                await self.devices[act.who].client.aclose()
            case "drains":
                await self.world.drain()
            case _:
                await self._enter(act)

    # --- who takes part ------------------------------------------------------------------

    async def _enter(self, act: Act) -> None:
        name = act.who.partition("/")[0]
        device = await self._open()
        more: dict[str, Any] = act.packet if act.what == "device" else {}
        await device.client.hi(**{"ua": act.who, **more})
        self.devices[act.who] = device
        match act.what:
            case "user" | "root":
                await self._sign_up(name, device.client, act)
            case "anonymous":
                await self._sign_up_anonymously(device.client, act)
            case "device":
                await device.client.login(self.world.login(name), _password(name))
        if act.what != "stranger":
            self.names.values[name] = device.client.user

    async def _sign_up(self, name: str, client: Client, act: Act) -> None:
        login = self.world.login(name)
        body = {"desc": {"public": {"fn": name}}, **act.packet}
        await client.create_account(login, _password(name), login=act.what == "user", **body)
        if act.what == "root":
            await self.world.make_root(login)
            await client.login(login, _password(name))

    async def _sign_up_anonymously(self, client: Client, act: Act) -> None:
        body = {"user": "new", "scheme": "anonymous", "login": True, **act.packet}
        reply = await client.request({"acc": body})
        client.user = reply.params["user"]

    async def _open(self) -> Device:
        device: Device = await self.world.nursery.start(self._hold)
        return device

    async def _hold(self, *, task_status: trio.TaskStatus[Device]) -> None:
        connection, vanish = self.world.connect()
        try:
            async with connection as client:
                task_status.started(Device(client, vanish))
                await client.wait_closed()
        except ClientError:
            raise AssertionError("no connection") from None


def _password(name: str) -> str:
    return f"{name}-password"


def secret(login: str, name: str) -> str:
    """The basic secret of a user of a conversation."""
    return base64.b64encode(f"{login}:{_password(name)}".encode()).decode("ascii")
