"""People: each program of a user connects somewhere, talks, reads, and comes back when it must."""

from __future__ import annotations

import random
from typing import Any

import attrs
import trio

from tinode_py.ids import is_user

from .devices import Device, Lost
from .history import History
from .machine import Machine
from .scale import Scale

AWAY = (502, 503)  # answers of a cluster in trouble


@attrs.define(eq=False)
class Calm:
    """Whether nothing more is to go wrong, or to be done, until the next schedule."""

    is_set: bool = False
    _changed: trio.Event = attrs.field(factory=trio.Event)

    def begin(self) -> None:
        self._change(to=True)

    def end(self) -> None:
        self._change(to=False)

    def _change(self, *, to: bool) -> None:
        if self.is_set is not to:
            self.is_set = to
            self._changed.set()
            self._changed = trio.Event()

    async def wait_change(self) -> None:
        await self._changed.wait()


@attrs.define(eq=False)
class Program:
    """What one user runs. `last`, `n`: how far it has read its topics, and the inbox."""

    name: str
    label: str
    topics: tuple[str, ...]
    machines: list[Machine]
    home: Machine
    rng: random.Random
    history: History
    scale: Scale
    calm: Calm
    has_left: bool = False  # it does not come back in this schedule
    last: dict[str, int] = attrs.field(factory=dict)
    n: int | None = None
    device: Device | None = None
    settled: bool = False
    sent: int = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            machine = self.home if self.rng.random() < 0.8 else self.rng.choice(self.machines)
            if machine.is_up and not self.has_left:
                await self._connected(machine)
            await trio.sleep(0.1 + 0.4 * self.rng.random())

    async def _connected(self, machine: Machine) -> None:
        assert machine.current is not None
        with trio.CancelScope() as scope:
            device = self.device = Device(self.label, machine.current, self.history, scope)
            try:
                device.open()
                if await device.log_in(self.name) < 300:
                    await self._stay(device)
            except Lost:
                pass
            finally:
                self._remember(device)
                device.close()
                self.device, self.settled = None, False

    def _remember(self, device: Device) -> None:
        for topic, reading in device.readings.items():
            if reading.last is not None and reading.history is None:
                self.last[topic] = reading.last
        if device.follows is not None:
            self.n = device.follows

    async def _stay(self, device: Device) -> None:
        for topic in ("me", *self.topics):
            if not await self._attach(device, topic):
                return
        while await self._talk(device) and await self._settle(device):
            await self.calm.wait_change()
            self.settled = False

    async def _talk(self, device: Device) -> bool:
        """Do things until nothing is to be done any more; False to go away."""
        while not self.calm.is_set:
            with trio.move_on_after(self.rng.expovariate(1 / self.scale.acting)) as pause:
                await self.calm.wait_change()
            if pause.cancelled_caught and (self.has_left or not await self._act(device)):
                return False
        return True

    async def _settle(self, device: Device) -> bool:
        """Be everywhere again; whether it is."""
        for topic in ("me", *self.topics):
            there = device.on_me if topic == "me" else topic in device.readings
            if not there and not await self._attach(device, topic):
                return False
        self.settled = True
        return True

    async def _attach(self, device: Device, topic: str) -> bool:
        query: dict[str, Any] = {"what": "desc"}
        if topic == "me":
            query = {"what": "sub inbox", "inbox": {}}
            if self.n is not None:
                query["inbox"] = {"since": self.n + 1, "limit": 1000}
                device.follows = self.n
        elif self.rng.random() < 0.6:
            since = self.last.get(topic, 0) + 1
            query = {"what": "desc data", "data": {"since": since, "limit": 1000}}
        asked = await device.ask("sub", topic, get=query)
        if asked.code >= 400:
            self._expect(asked.code, f"sub {topic}")
            return False
        return True

    def _expect(self, code: int, what: str) -> None:
        if code not in AWAY:
            self.history.complain(f"{self.label}: {what} is answered {code}")

    async def _act(self, device: Device) -> bool:
        """Do something; False to go away."""
        topic = self.rng.choice(self.topics)
        dice = self.rng.random()
        if dice < 0.03:
            return False
        if topic not in device.readings:
            return await self._attach(device, topic)
        if dice < 0.1:
            code = (await device.ask("leave", topic)).code
            if code >= 400:
                self._expect(code, f"leave {topic}")
        elif dice < 0.2:
            await device.send("note", topic, what="kp")
        elif dice < 0.3 and device.readings[topic].last:
            await device.send("note", topic, what="read", seq=device.readings[topic].last)
        elif dice < 0.5:
            for _ in range(self.rng.randrange(2, 6)):
                await self.publish(device, topic, wait=False)
        else:
            await self.publish(device, topic)
        return True

    async def publish(self, device: Device, topic: str, *, wait: bool = True) -> int:
        """The answer's code, 0 if it is not waited for."""
        self.sent += 1
        content = f"{self.label}.{self.sent}"
        self.history.note(self.label, "publishes", content, topic)
        if not wait:
            await device.send("pub", topic, content=content)
            return 0
        asked = await device.ask("pub", topic, content=content)
        if asked.code >= 300:
            self._expect(asked.code, f"pub {topic}")
        return asked.code

    def contacts(self) -> list[str]:
        return [topic for topic in self.topics if is_user(topic)]
