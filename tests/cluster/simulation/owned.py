"""The same machines without a database: one of them has the store, the others ask it.

What is asked goes over the network and by the protocol there is; the way to the store can break
as any other, and it is gone while its owner is. What was written outlives him, and so does the
last number of a node.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import trio

from tinode_py.cluster.remote.line import Line, Way
from tinode_py.cluster.remote.owner import Identity, Owner
from tinode_py.cluster.remote.store import RemoteStore, open_remote
from tinode_py.config import ConfigError
from tinode_py.errors import StoreError
from tinode_py.store.coordination import MemoryCoordination

from .machine import Cable, Run, World

IDENTITY = Identity(b"the secret of this file", 1, "1.0")
AGAIN = 0.3  # seconds
PATIENCE = 100.0  # seconds for the owner to be there, when a machine starts


class Members(MemoryCoordination):
    """Those of one run of the owner."""

    def __init__(self, world: World) -> None:
        super().__init__(trio.current_time, self._take_number)
        self._world = world

    async def _take_number(self) -> int:
        await trio.lowlevel.checkpoint()
        self._world.numbers += 1
        return self._world.numbers

    async def fence(self, node: int, lease: float) -> bool:
        was, gone = self.is_member(node), await super().fence(node, lease)
        if was and gone:
            self._world.history.count("fenced")
        self._world.history.note("fence", node, "gives", gone)
        return gone


class OwnCable(Cable):
    """The owner's way to the disk, for all of them. What nodes agree upon is in his memory."""

    async def _done(self, name: str, *arguments: Any, **more: Any) -> Any:
        return await getattr(self.world.coordination, name)(*arguments, **more)


class FarCable:
    """Another machine's way to the owner: cut, it is blocked, and what there was has broken."""

    def __init__(self, run: OwnedRun, store: RemoteStore) -> None:
        self._run = run
        self._store = store
        self.world = run.world
        self.bell = Cable(run.world).bell
        self._held = self._cut = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    @property
    def node(self) -> int:
        return self._store._node

    @property
    def cut(self) -> bool:
        return self._cut

    @cut.setter
    def cut(self, value: bool) -> None:
        if value and not self._run.crashed:
            self.world.network.cut(self._run.name, self.world.owner)
        self._block(value)
        self._cut = value

    @property
    def held(self) -> bool:
        return self._held

    @held.setter
    def held(self, value: bool) -> None:
        self._block(value)
        self._held = value

    @property
    def slow(self) -> float:
        return self.world.network.slow.get(self._run.name, 0.0)

    @slow.setter
    def slow(self, value: float) -> None:
        self.world.network.slow[self._run.name] = 0.0 if self._run.crashed else value

    def _block(self, blocked: bool) -> None:
        """Both ways; a process that is gone blocks nobody."""
        network, ways = self.world.network, (self._run.name, self.world.owner)
        for way in (ways, ways[::-1]):
            if blocked and not self._run.crashed:
                network.block(*way)
            else:
                network.free(*way)


class OwnedRun(Run):
    """One run of a server that is the owner, or has his store."""

    owner: Owner | None = None

    async def _serve(self, nursery: trio.Nursery) -> None:
        """What cannot start is started again."""
        served = False
        while not served:
            try:
                await self._serve_once(nursery)
                served = True
            except* (ConfigError, StoreError):
                if self.server is not None:
                    raise
            await trio.sleep(0 if served else AGAIN)

    async def _serve_once(self, nursery: trio.Nursery) -> None:
        world = self.world
        if self.name == world.owner:
            world.coordination = world.history.coordination = Members(world)
            self.cable = OwnCable(world)
            scale, chance = world.scale, world.rng.randbytes
            self.owner = Owner(
                *(self.cable, world.coordination, IDENTITY),
                random_bytes=chance,
                lease=scale.lease,
            )
            await nursery.start(self.owner.run)
            await super()._serve(nursery)
            return
        way = Way(partial(world.network.connect, self.name, world.owner), "peer://owner")
        line = Line(way, IDENTITY, random_bytes=world.rng.randbytes, lease=world.scale.lease)
        async with open_remote(line, PATIENCE) as store:
            self.cable = FarCable(self, store)  # type: ignore[assignment]
            await super()._serve(nursery)

    async def _accept(self, stream: trio.abc.Stream) -> None:
        if self.owner is not None:
            await self.owner.accept(stream, super()._accept)
        else:
            await super()._accept(stream)

    def crash(self) -> None:
        self.crashed, self.is_up = True, False
        if self.owner is not None:
            super().crash()
            return
        for drop in list(self.drops.values()):
            drop()
        self.scope.cancel()
