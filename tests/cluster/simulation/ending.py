"""The end of a schedule: what must be true once nothing is wrong any more."""

from __future__ import annotations

import contextlib
import random

import attrs
import trio

from tinode_py.store.memory import MemoryStore

from .devices import Device, Lost, connected
from .history import History, is_private
from .machine import Machine
from .people import Calm, Program
from .scale import Scale

AGAIN = 0.2  # seconds until it is looked again
USERS = ("ann", "ben", "cat")


@attrs.frozen
class Ending:
    """Of one schedule, whose faults are over."""

    machines: list[Machine]
    programs: list[Program]
    scale: Scale
    rng: random.Random
    store: MemoryStore
    history: History

    async def check(self, calm: Calm) -> None:
        """Complain of what is wrong."""
        if self.scale.whole:
            await self._check(calm)
        else:
            await self._check_soon(calm)
        self.history.check_store()

    # --- as soon as all is well ----------------------------------------------------------

    async def _check_soon(self, calm: Calm) -> None:
        """All is well when everybody is back, what they publish comes to all, and they know of each
        other who is there.
        """
        calm.begin()
        deadline = trio.current_time() + self.scale.quiet
        while (found := await self._wrong()) and trio.current_time() <= deadline:  # noqa: ASYNC110
            await trio.sleep(AGAIN)
        deadline = trio.current_time() + self.scale.told
        while not found and (mistaken := self._mistaken()):
            if trio.current_time() > deadline:
                found = mistaken
            await trio.sleep(AGAIN)
        for one in found:
            self.history.complain(one)

    async def _wrong(self) -> list[str]:
        away = [f"{it.name} does not run" for it in self.machines if not it.is_up]
        away += [
            f"{program.label} has not come back"
            for program in self.programs
            if not program.settled and not program.has_left
        ]
        if away:
            return away
        wrong: list[str] = []
        async with trio.open_nursery() as nursery:
            for program in self._settled():
                nursery.start_soon(self._try, program, wrong)
        if not wrong:
            await trio.sleep(AGAIN)
            wrong += self._unheard()
        return wrong

    def _settled(self) -> list[Program]:
        return [program for program in self.programs if program.settled]

    def _there(self) -> set[str]:
        """The users who are online."""
        return {program.device.user for program in self._settled() if program.device is not None}

    def _mistaken(self) -> list[str]:
        """Who is taken for online and is not, or the other way round, on `me`."""
        there = self._there()
        return [
            mistake
            for program in self._settled()
            for topic in program.topics
            if program.device is not None and (mistake := _mistake(program.device, topic, there))
        ]

    async def _try(self, program: Program, wrong: list[str]) -> None:
        """Publish over the connection of now: one that comes next may not be everywhere yet."""
        device = program.device
        for topic in program.topics:
            code = 0
            with trio.move_on_after(1), contextlib.suppress(Lost):
                if device is not None:
                    code = await program.publish(device, topic)
            if not 0 < code < 300:
                wrong.append(f"{program.label}: pub {topic} is answered {code}")

    # --- after a while -------------------------------------------------------------------

    async def _check(self, calm: Calm) -> None:
        await trio.sleep(self.scale.quiet)
        self.history.note("all should be well")
        calm.begin()
        await trio.sleep(self.scale.coming)
        for program in self.programs:
            if not program.settled and not program.has_left:
                self.history.complain(program.label, "has not come back")
        for machine in self.machines:
            with trio.CancelScope() as scope:
                await self._probe(machine, scope)
            if scope.cancelled_caught:
                self.history.complain("a session was ended on", machine.name)
        await trio.sleep(1)
        for unheard in self._unheard():
            self.history.complain(unheard)
        await self._check_presence()

    async def _probe(self, machine: Machine, scope: trio.CancelScope) -> None:
        """Somebody on each node publishes to every topic."""
        if not machine.is_up:
            self.history.complain(machine.name, "does not run")
            return
        for name in USERS:
            device = connected(f"probe-{name}-{machine.name}", machine, self.history)
            device.scope = scope
            try:
                code = await device.log_in(name)
                if code >= 300:
                    self.history.complain("login on", machine.name, "is answered", code)
                    continue
                program = next(it for it in self.programs if it.name == name)
                for topic in program.topics:
                    await self._publish(device, topic)
            except Lost:
                pass
            finally:
                device.close()

    async def _publish(self, device: Device, topic: str) -> None:
        began = trio.current_time()
        joined = await device.ask("sub", topic, get={"what": "desc"})
        if joined.code >= 400:
            self.history.complain(device.label, "sub", topic, "is answered", joined.code)
            return
        content = f"{device.label}.{topic}"
        asked = await device.ask("pub", topic, content=content)
        if asked.code >= 300 or trio.current_time() - began > 1:
            took = trio.current_time() - began
            self.history.complain(device.label, "pub", topic, asked.code, f"{took:.2f} s")

    def _last(self, stored: str) -> int:
        return max((n for t, n in self.store._tables.messages.rows if t == stored), default=0)

    def _unheard(self) -> list[str]:
        """What has been stored and has not come to somebody who is there."""
        found = []
        for program in self.programs:
            device = program.device
            if device is None or not program.settled:
                continue
            for topic, reading in device.readings.items():
                last = self._last(device.stored(topic))
                if reading.last != last:
                    found.append(f"{device.label} has {topic} up to {reading.last} of {last}")
            page = self.store._tables.inboxes.rows.get(device.user)
            last = len(page.items) if page is not None else 0
            if (device.follows or 0) != last:
                found.append(f"{device.label} has its inbox up to {device.follows} of {last}")
        return found

    async def _check_presence(self) -> None:
        await trio.sleep(self.scale.lease)  # who has left is told to be off after a while
        there = self._there()
        for program in self._settled():
            assert program.device is not None
            with contextlib.suppress(Lost):  # which it complained of
                for topic in program.topics:
                    await self._check_topic(program.device, topic, there)

    async def _check_topic(self, device: Device, topic: str, there: set[str]) -> None:
        mistake = _mistake(device, topic, there)
        if mistake:
            self.history.complain(mistake)
        if is_private(topic):
            return
        await device.ask("get", topic, what="sub")
        await trio.sleep(0.1)
        found = device.members.get(topic)
        if found != there:
            self.history.complain(device.label, topic, "has", found, "not", there)


def _mistake(device: Device, topic: str, there: set[str]) -> str:
    """What is wrong with what a device was told of a contact; a group it is in is online."""
    is_on = device.online.get(topic, False)
    if is_on == (topic in there or not is_private(topic)):
        return ""
    return f"{device.label} takes {topic} for {'on' if is_on else 'off'}"
