"""Members and claims in the database, over a connection and a thread of their own.

So a beat never waits behind a commit. Claims that wait at the same time share one statement, and
one wait for the disk. A connection that is lost is made again for the next question; what was
asked when it was lost is answered StoreAway, and may have taken place.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import attrs
import outcome
import psycopg
import trio

from ...errors import StoreAway, StoreError
from ..coordination import Member, unknown
from ..rows import Row, encoded
from .address import Address
from .statements import FENCED, SYNCED, Connection, connect

PAUSE = 0.5  # seconds without another attempt, after one to connect has failed
GROUP = 256  # questions that are answered together, at most
TOPICS = 1000  # in one statement, at most
_ATTEMPTS = 10  # at a claim whose owner lets go of it meanwhile
# Whoever waits for a lock waits for a commit or for another claim. A database that does not
# answer is noticed sooner than elsewhere: a beat that hangs is worth nothing.
_SETTINGS = """
SET lock_timeout = '1s'; SET statement_timeout = '4s';
SET default_transaction_isolation = 'read committed'; """
_QUICK = {"connect_timeout": "3", "tcp_user_timeout": "4000"}

_JOIN = "SELECT join_cluster($1, $2, $3)"
_BEAT = "SELECT id, name, address, url, draining, load, silent FROM beat($1, $2, $3)"
_FENCE = "SELECT fence($1, now_ms() - $2)"
_CLAIM = "SELECT topic, node FROM claim_topics($1, $2::json)"
_RELEASE = "SELECT release_topics($1, $2::json)"
_GIVE = "SELECT give_topic($1, $2, $3)"
_LEAVE = "SELECT end_node($1)"
_FORGET = "SELECT forget_claims($1)"


@attrs.frozen
class _Claim:
    node: int
    topics: tuple[str, ...]


@attrs.frozen
class _Question:
    """A statement about a node, answered with its rows. A tuple becomes a JSON array."""

    node: int
    sql: str
    parameters: tuple[Any, ...]


class _Asked:
    __slots__ = ("question", "task")

    def __init__(self, question: _Claim | _Question, task: trio.lowlevel.Task) -> None:
        self.question = question
        self.task: trio.lowlevel.Task | None = task


class Desk:
    """The connection, for one thread: answers questions, and turns errors into ours."""

    def __init__(self, address: Address) -> None:
        self._address = attrs.evolve(address, parameters={**address.parameters, **_QUICK})
        self._connection: Connection | None = None
        self._failed_at = float("-inf")

    def answer(self, asked: Sequence[_Asked]) -> list[outcome.Outcome[Any]]:
        """One answer for each, in order. Claims of a node are one statement, and come last."""
        others = {
            item: outcome.capture(self._rows, item.question)
            for item in asked
            if isinstance(item.question, _Question)
        }
        claims: dict[int, list[str]] = {}
        for item in asked:
            if isinstance(item.question, _Claim):
                claims.setdefault(item.question.node, []).extend(item.question.topics)
        found = {node: outcome.capture(self._claimed, node, them) for node, them in claims.items()}
        return [
            self._own(found[item.question.node], item.question)
            if isinstance(item.question, _Claim)
            else others[item]
            for item in asked
        ]

    def _own(
        self, found: outcome.Outcome[dict[str, int]], claim: _Claim
    ) -> outcome.Outcome[dict[str, int]]:
        """The part of an answer that was asked for. A name that nothing can hold is the fault of
        who sent it: the others ask without it.
        """
        if isinstance(found, outcome.Error):
            if isinstance(found.error, StoreAway):
                return outcome.Error(found.error)
            return outcome.capture(self._claimed, claim.node, claim.topics)
        assert isinstance(found, outcome.Value)
        return outcome.Value({topic: found.value[topic] for topic in claim.topics})

    def _claimed(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        owners: dict[str, int] = {}
        for _ in range(_ATTEMPTS):
            left = [topic for topic in dict.fromkeys(topics) if topic not in owners]
            if not left:
                return owners
            for start in range(0, len(left), TOPICS):
                some = tuple(left[start : start + TOPICS])
                owners.update(self._rows(_Question(node, _CLAIM, (node, some))))
        raise StoreAway(f"{self._address.shown}: owners of topics change too fast")

    def _rows(self, question: _Question) -> list[Row]:
        """StoreAway for what may succeed later, StoreError for what never will."""
        try:
            parameters = [encoded(it) if type(it) is tuple else it for it in question.parameters]
            cursor = self._connected().cursor(binary=True)
            return cursor.execute(question.sql, parameters).fetchall()
        except (psycopg.DataError, ValueError) as error:
            raise StoreError(f"{type(error).__name__}: {error}") from error
        except psycopg.Error as error:
            if error.sqlstate == FENCED:
                raise unknown(question.node) from None
            reason = f"{type(error).__name__}: {self._address.reason(error)}"
            raise StoreAway(f"{self._address.shown}: {reason}") from error

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            if time.monotonic() - self._failed_at < PAUSE:
                raise StoreAway(f"{self._address.shown}: there is no connection")
            try:
                self._connection = connect(self._address, _SETTINGS + SYNCED)
            except StoreError:
                self._failed_at = time.monotonic()
                raise
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class PostgresCoordination:
    """A `Coordination`; made by `open_coordination`, for tasks of the loop that made it.

    Cancelled, a question may have taken place.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._token = trio.lowlevel.current_trio_token()
        self._queue: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="store-members", daemon=True)
        self._thread.start()

    async def join(self, name: str, address: str, url: str) -> int:
        ((node,),) = await self._ask(_Question(0, _JOIN, (name, address, url)))
        return int(node)

    async def beat(self, node: int, *, load: int, draining: bool) -> tuple[Member, ...]:
        rows = await self._ask(_Question(node, _BEAT, (node, load, int(draining))))
        return tuple(
            Member(id, name, address, url, bool(draining), load, max(0, silent) / 1000)
            for id, name, address, url, draining, load, silent in rows
        )

    async def fence(self, node: int, lease: float) -> bool:
        ((gone,),) = await self._ask(_Question(node, _FENCE, (node, round(lease * 1000))))
        if gone:
            await self._forget(node)
        return bool(gone)

    async def claim(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        owners: dict[str, int] = await self._ask(_Claim(node, tuple(topics)))
        return owners

    async def release(self, node: int, topics: Sequence[str]) -> None:
        for start in range(0, len(topics), TOPICS):
            some = tuple(topics[start : start + TOPICS])
            await self._ask(_Question(node, _RELEASE, (node, some)))

    async def give(self, node: int, topic: str, to: int) -> bool:
        ((given,),) = await self._ask(_Question(node, _GIVE, (node, topic, to)))
        return bool(given)

    async def leave(self, node: int) -> None:
        await self._ask(_Question(node, _LEAVE, (node,)))
        await self._forget(node)

    async def _forget(self, node: int) -> None:
        """Claims of who is gone are void already: they only take room."""
        with contextlib.suppress(StoreError):
            while (await self._ask(_Question(node, _FORGET, (node,))))[0][0]:
                pass

    async def _ask(self, question: _Claim | _Question) -> Any:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._closed:
            raise StoreError("the store is closed")
        asked = _Asked(question, trio.lowlevel.current_task())

        def abandon(_: Callable[[], Any]) -> trio.lowlevel.Abort:
            asked.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._queue.put(asked)
        return await trio.lowlevel.wait_task_rescheduled(abandon)

    async def aclose(self) -> None:
        """Answer what waits, then end the thread. Cancellation does not cut it short."""
        self._closed = True
        self._queue.put(None)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(self._thread.join)

    def _run(self) -> None:
        ended = False
        while not ended:
            item = self._queue.get()
            group: list[_Asked] = []
            while item is not None:
                if item.task is not None:  # whose asker was not cancelled meanwhile
                    group.append(item)
                if len(group) == GROUP or self._queue.empty():
                    break
                item = self._queue.get_nowait()
            ended = item is None
            try:
                self._token.run_sync_soon(_deliver, group, self._desk.answer(group))
            except trio.RunFinishedError:
                break
        self._desk.close()


def _deliver(group: Sequence[_Asked], answers: Sequence[outcome.Outcome[Any]]) -> None:
    for asked, answer in zip(group, answers, strict=True):
        if asked.task is not None:
            trio.lowlevel.reschedule(asked.task, answer)


@contextlib.asynccontextmanager
async def open_coordination(address: Address) -> AsyncIterator[PostgresCoordination]:
    """What the nodes on a database agree upon. The database has this version's schema."""
    shared = PostgresCoordination(Desk(address))
    try:
        yield shared
    finally:
        await shared.aclose()
