"""Members and claims in the database, over a connection and a thread of their own.

So a beat never waits behind a commit. Claims that wait at the same time share one statement, and
one wait for the disk. A connection that is lost is made again for the next question; what was
asked when it was lost is answered StoreAway, and may have taken place.

Nobody's clock says when a beat was. Each node counts the beats of the others, and takes for
silent who has not beaten since it saw the last, measured by its own clock, which does not jump.
Who fences another says how many beats he has seen, and comes too late if there were more.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import trio

from ..coordination import Member
from ..waiting import Counter, Waiting
from .address import Address
from .desk import (
    BEAT,
    BEATS,
    BURY,
    FENCE,
    GIVE,
    GONE,
    JOIN,
    LEAVE,
    RELEASE,
    TOPICS,
    Claim,
    Desk,
    Question,
)

GROUP = 256  # questions that are answered together, at most


class PostgresCoordination:
    """A `Coordination`; made by `open_coordination`, for tasks of the loop that made it.

    Cancelled, a question may have taken place.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._counter: Counter[Claim | Question] = Counter()
        self._seen: dict[int, tuple[int, float]] = {}  # beats of a node, and since when so many
        self._thread = threading.Thread(target=self._run, name="store-members", daemon=True)
        self._thread.start()

    async def join(self, name: str, address: str, url: str) -> int:
        ((node,),) = await self._ask(Question(0, JOIN, (name, address, url)))
        for (gone,) in await self._ask(Question(node, GONE, ())):
            self._desk.chores.append((gone, ""))  # who saw it go may have gone himself
        return int(node)

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        rows = await self._ask(Question(node, BEAT, (node, load, int(draining))))
        now = trio.current_time()
        self._seen = {row[0]: self._counted(row[0], row[-1], now) for row in rows}
        return tuple(
            Member(id, name, address, url, bool(draining), load, now - self._seen[id][1])
            for id, name, address, url, draining, load, _ in rows
        )

    def _counted(self, node: int, beats: int, now: float) -> tuple[int, float]:
        known = self._seen.get(node)
        return known if known and known[0] == beats else (beats, now)

    async def fence(self, node: int, lease: float) -> bool:
        if node not in self._seen:
            for _, count in await self._ask(Question(node, BEATS, (node,))):
                self._seen[node] = (count, trio.current_time())
        now = trio.current_time()
        beats, since = self._seen.get(node, (-1, now))
        expected = beats if now - since > lease else -1
        ((gone,),) = await self._ask(Question(node, FENCE, (node, expected)))
        return bool(gone)

    async def bury(self, node: int) -> bool:
        ((gone,),) = await self._ask(Question(node, BURY, (node,)))
        return bool(gone)

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        owners: dict[str, int] = {}
        for start in range(0, max(len(topics), 1), TOPICS):
            owners |= await self._ask(Claim(node, tuple(topics[start : start + TOPICS])))
        return owners

    async def release(self, node: int, topics: Sequence[str]) -> None:
        for start in range(0, len(topics), TOPICS):
            some = tuple(topics[start : start + TOPICS])
            await self._ask(Question(node, RELEASE, (node, some)))

    async def give(self, node: int, topic: str, to: int) -> bool:
        ((given,),) = await self._ask(Question(node, GIVE, (node, topic, to)))
        return bool(given)

    async def leave(self, node: int) -> None:
        await self._ask(Question(node, LEAVE, (node,)))

    async def _ask(self, question: Claim | Question) -> Any:
        return await self._counter.ask(question)

    async def aclose(self) -> None:
        """Answer what waits, then end the thread. Cancellation does not cut it short."""
        self._counter.close()
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        waiting = self._counter.queue
        ended = False
        while not ended:
            while self._desk.chores and waiting.empty():
                self._desk.tidy()
            item = waiting.get()
            group: list[Waiting[Claim | Question]] = []
            while item is not None:
                if item.task is not None:  # whose asker was not cancelled meanwhile
                    group.append(item)
                if len(group) == GROUP or waiting.empty():
                    break
                item = waiting.get_nowait()
            ended = item is None
            answers = self._desk.answer([item.question for item in group])
            if not self._counter.answer(group, answers):
                break
        self._desk.close()


@contextlib.asynccontextmanager
async def open_coordination(address: Address) -> AsyncIterator[PostgresCoordination]:
    """What the nodes on a database agree upon. The database has this version's schema."""
    shared = PostgresCoordination(Desk(address))
    try:
        yield shared
    finally:
        await shared.aclose()
