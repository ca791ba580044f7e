"""A network in memory: connections between machines that are slow, blocked, broken, or dead.

As TCP does, a blocked way loses nothing: what was sent comes when the way is free again. What a
connection carries when it breaks is lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from math import inf

import attrs
import trio

FULL = 200_000  # bytes that are taken before anything was received
Accept = Callable[[trio.abc.Stream], Awaitable[None]]


class Bell:
    """Wakes all who wait for a change."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def ring(self) -> None:
        self._event.set()
        self._event = trio.Event()

    async def wait(self, until: float = inf) -> None:
        if until == inf:
            await self._event.wait()
            return
        with trio.move_on_at(until):
            await self._event.wait()


@attrs.define(eq=False)
class Way:
    """One direction of a connection."""

    network: Network
    sender: str
    receiver: str
    ended: bool = False  # nothing follows what is under way
    broken: bool = False
    dead: bool = False  # one side has stopped: nothing comes, nothing is answered
    _coming: deque[tuple[float, bytes]] = attrs.field(factory=deque)
    _size: int = 0
    _waiting: trio.CancelScope | None = None  # who takes
    _room: Bell = attrs.field(factory=Bell)  # for who puts

    def look(self, at: float = 0.0) -> None:
        """Something has changed, or will have at a time: whoever takes is to look then."""
        if self._waiting is not None:
            self._waiting.deadline = min(self._waiting.deadline, at)
        if not at:
            self._room.ring()

    def _check(self) -> None:
        if self.broken:
            raise trio.BrokenResourceError("the connection broke")

    async def put(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._size > FULL and not self.broken:
            await self._room.wait()
        self._check()
        last = self._coming[-1][0] if self._coming else 0.0
        at = trio.current_time() + self.network.delay(self.sender, self.receiver)
        self._coming.append((max(at, last), data))
        self._size += len(data)
        self.look(max(at, last))

    async def take(self, most: int) -> bytes:
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            self._check()
            if self.dead or (self.sender, self.receiver) in self.network.blocked:
                await self._wait()
            elif self._coming and self._coming[0][0] <= trio.current_time():
                return self._pop(most)
            elif self._coming:
                await self._wait(self._coming[0][0])
            elif self.ended:
                return b""
            else:
                await self._wait()

    async def _wait(self, until: float = inf) -> None:
        with trio.CancelScope(deadline=until) as self._waiting:
            await trio.sleep_forever()
        self._waiting = None

    def _pop(self, most: int) -> bytes:
        at, data = self._coming.popleft()
        if len(data) > most:
            self._coming.appendleft((at, data[most:]))
            data = data[:most]
        self._size -= len(data)
        self._room.ring()
        return data


@attrs.define(eq=False)
class End(trio.abc.Stream):
    """One machine's end of a connection."""

    out: Way
    into: Way
    _closed: bool = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        await self.out.put(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._closed:
            raise trio.ClosedResourceError
        return await self.into.take(max_bytes or FULL)

    async def aclose(self) -> None:
        self._closed = True
        if not self.out.dead:
            self.out.ended = True
            self.into.broken = True  # whoever still sends is told so
            self.out.look()
            self.into.look()
        await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class Network:
    """Connections between machines, by name. `chance`: between 0 and 1."""

    chance: Callable[[], float]
    blocked: set[tuple[str, str]] = attrs.field(factory=set)  # from, to
    slow: dict[str, float] = attrs.field(factory=dict)  # seconds more, from or to a machine
    doors: dict[str, Accept] = attrs.field(factory=dict)
    _nurseries: dict[str, trio.Nursery] = attrs.field(factory=dict)
    _ways: list[Way] = attrs.field(factory=list)
    _freed: Bell = attrs.field(factory=Bell)
    _dead: set[str] = attrs.field(factory=set)  # without power

    def delay(self, sender: str, receiver: str) -> float:
        """Seconds that something takes: mostly a millisecond, now and then much more."""
        base = 0.001 if self.chance() < 0.9 else 0.05 * self.chance()
        return base + self.slow.get(sender, 0.0) + self.slow.get(receiver, 0.0)

    def open(self, name: str, accept: Accept, nursery: trio.Nursery) -> None:
        """A machine takes connections."""
        self.doors[name] = accept
        self._dead.discard(name)
        self._nurseries[name] = nursery

    def close(self, name: str) -> None:
        self.doors.pop(name, None)

    async def connect(self, sender: str, receiver: str) -> trio.abc.Stream:
        await trio.sleep(self.delay(sender, receiver))
        while {(sender, receiver), (receiver, sender)} & self.blocked:
            await self._freed.wait()
        if receiver in self._dead:
            await trio.sleep(1)
            raise OSError("no route to host")
        if receiver not in self.doors:
            raise ConnectionRefusedError("connection refused")
        there, back = Way(self, sender, receiver), Way(self, receiver, sender)
        self._ways = [way for way in self._ways if not way.broken]
        self._ways += there, back
        self._nurseries[receiver].start_soon(self.doors[receiver], End(back, there))
        return End(there, back)

    # --- faults --------------------------------------------------------------------------

    def _of(self, *names: str) -> list[Way]:
        return [way for way in self._ways if {*names} <= {way.sender, way.receiver}]

    def cut(self, *names: str) -> None:
        """Connections between two machines, or all of one, break."""
        for way in self._of(*names):
            way.broken = True
            way.look()

    def kill(self, name: str) -> None:
        """A machine has no power any more: the others hear nothing, not even that."""
        for way in self._of(name):
            way.dead = True
        self.close(name)
        self._dead.add(name)

    def block(self, sender: str, receiver: str) -> None:
        self.blocked.add((sender, receiver))

    def free(self, sender: str, receiver: str) -> None:
        self.blocked.discard((sender, receiver))
        self._freed.ring()
        for way in self._of(sender, receiver):
            way.look()
