"""Order and delays of password checks, on the virtual clock: a check takes no time here.

What is counted is how many checks run before the one in question; at 25 ms each, twenty are
half a second.
"""

from __future__ import annotations

import itertools

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tinode_py import errors
from tinode_py.auth import checker as rules
from tinode_py.auth.base import Origin
from tinode_py.auth.checker import Failures, PasswordChecker
from tinode_py.errors import Refused


class CountingHasher:
    """Right is `right`. Remembers what it was asked, in order."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, password: str) -> str:
        self.asked.append(password)
        return f"hash of {password}"

    def verify(self, password: str, encoded: str | None) -> bool:
        self.asked.append(password)
        return encoded is not None and password == "right"


class Blocker:
    """Keeps the only thread of a checker until it is let go."""

    def __init__(self, checker: PasswordChecker) -> None:
        self._checker = checker
        self._free = trio.Event()

    async def hold(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with self._checker.thread(Origin(), ""):
            task_status.started()
            await self._free.wait()

    def release(self) -> None:
        self._free.set()


async def attempt(checker: PasswordChecker, password: str, login: str, origin: Origin) -> bool:
    return await checker.check(password, "hash", login, origin)


async def test_right_and_wrong() -> None:
    checker = PasswordChecker(CountingHasher(), inline=True)
    assert await checker.check("right", "hash", "alice", Origin())
    assert not await checker.check("wrong", "hash", "alice", Origin())
    assert not await checker.check("right", None, "nobody", Origin())


async def test_an_unknown_login_costs_a_check() -> None:
    hasher = CountingHasher()
    await PasswordChecker(hasher, inline=True).check("secret1", None, "nobody", Origin())
    assert hasher.asked == ["secret1"]


async def test_a_thread_is_used() -> None:
    checker = PasswordChecker(CountingHasher())
    assert await checker.check("right", "hash", "alice", Origin())
    assert await checker.hash("new", Origin()) == "hash of new"


async def test_each_failure_delays_that_connection_longer(autojump_clock: MockClock) -> None:
    checker = PasswordChecker(CountingHasher(), inline=True)
    origin = Origin()
    ends = []
    for _ in range(6):
        await attempt(checker, "wrong", "alice", origin)
        ends.append(round(trio.current_time(), 3))
    gaps = [round(later - sooner, 3) for sooner, later in itertools.pairwise(ends)]
    assert gaps == [0.05, 0.1, 0.2, 0.4, 0.4]


async def test_a_success_ends_the_delay(autojump_clock: MockClock) -> None:
    checker = PasswordChecker(CountingHasher(), inline=True)
    origin = Origin()
    await attempt(checker, "wrong", "alice", origin)
    await attempt(checker, "right", "alice", origin)
    before = trio.current_time()
    await attempt(checker, "right", "alice", origin)
    assert trio.current_time() == before


async def test_one_check_at_a_time_for_a_connection(autojump_clock: MockClock) -> None:
    hasher = CountingHasher()
    checker = PasswordChecker(hasher, threads=8, inline=True)
    origin = Origin()
    async with trio.open_nursery() as nursery:
        for i in range(4):
            nursery.start_soon(attempt, checker, f"wrong {i}", "alice", origin)
        await wait_all_tasks_blocked()
        assert len(hasher.asked) == 1


async def test_200_wrong_ones_of_one_connection_delay_nobody(autojump_clock: MockClock) -> None:
    hasher = CountingHasher()
    checker = PasswordChecker(hasher, inline=True)

    async def guess() -> None:
        origin = Origin("10.0.0.1")
        for i in range(200):
            await attempt(checker, f"wrong {i}", "alice", origin)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(guess)
        await trio.sleep(30)
        before, since = len(hasher.asked), trio.current_time()
        assert await attempt(checker, "right", "alice", Origin("10.0.0.1"))
        assert len(hasher.asked) - before <= 2
        assert trio.current_time() - since <= 0.05
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("logins", [1, 200])
async def test_200_wrong_ones_of_200_connections_delay_nobody(
    autojump_clock: MockClock, logins: int
) -> None:
    hasher = CountingHasher()
    checker = PasswordChecker(hasher, inline=True)
    blocker = Blocker(checker)
    async with trio.open_nursery() as nursery:
        await nursery.start(blocker.hold)
        for i in range(199):
            login = f"alice{i % logins}"
            nursery.start_soon(attempt, checker, "wrong", login, Origin("10.0.0.1"))
        await wait_all_tasks_blocked()
        assert checker.waiting() == 199
        nursery.start_soon(attempt, checker, "right", "alice0", Origin("10.0.0.1"))
        await wait_all_tasks_blocked()
        blocker.release()
    assert hasher.asked.index("right") <= 2
    assert len(hasher.asked) == 200  # and nobody was refused


async def test_a_connection_that_failed_waits_behind_fresh_ones(
    autojump_clock: MockClock,
) -> None:
    hasher = CountingHasher()
    checker = PasswordChecker(hasher, inline=True)
    failed = Origin()
    await attempt(checker, "wrong", "mallory", failed)
    await trio.sleep(1)
    hasher.asked.clear()
    await _together(checker, [("bad", "x", failed), ("one", "y", Origin()), ("two", "z", Origin())])
    assert hasher.asked == ["one", "two", "bad"]


async def test_a_login_and_an_address_that_failed_go_behind(autojump_clock: MockClock) -> None:
    hasher = CountingHasher()
    checker = PasswordChecker(hasher, inline=True)
    await attempt(checker, "wrong", "alice", Origin("10.0.0.1"))
    hasher.asked.clear()
    await _together(
        checker,
        [
            ("login", "alice", Origin("10.0.0.2")),
            ("address", "bob", Origin("10.0.0.1")),
            ("neither", "bob", Origin("10.0.0.2")),
        ],
    )
    assert hasher.asked == ["neither", "address", "login"]


async def _together(checker: PasswordChecker, attempts: list[tuple[str, str, Origin]]) -> None:
    """All of them wait, in this order, before the first is taken."""
    blocker = Blocker(checker)
    async with trio.open_nursery() as nursery:
        await nursery.start(blocker.hold)
        for password, login, origin in attempts:
            nursery.start_soon(attempt, checker, password, login, origin)
            await wait_all_tasks_blocked()
        blocker.release()


async def test_a_full_queue_answers_503_to_its_last(autojump_clock: MockClock) -> None:
    hasher = CountingHasher()
    checker = PasswordChecker(hasher, waiting=2, inline=True)
    failed = Origin()
    await attempt(checker, "wrong", "mallory", failed)
    await trio.sleep(1)
    hasher.asked.clear()
    refused = []

    async def expect(password: str, origin: Origin) -> None:
        try:
            await attempt(checker, password, "bob", origin)
        except Refused as error:
            refused.append((password, error.answer))

    blocker = Blocker(checker)
    async with trio.open_nursery() as nursery:
        await nursery.start(blocker.hold)
        for password, origin in [("bad", failed), ("one", Origin()), ("two", Origin())]:
            nursery.start_soon(expect, password, origin)
            await wait_all_tasks_blocked()
        blocker.release()
    assert refused == [("bad", errors.UNAVAILABLE)]
    assert hasher.asked == ["one", "two"]


async def test_who_waits_too_long_is_answered_503(autojump_clock: MockClock) -> None:
    checker = PasswordChecker(CountingHasher(), inline=True)
    blocker = Blocker(checker)
    async with trio.open_nursery() as nursery:
        await nursery.start(blocker.hold)
        since = trio.current_time()
        with pytest.raises(Refused) as caught:
            await attempt(checker, "right", "alice", Origin())
        assert caught.value.answer is errors.UNAVAILABLE
        assert trio.current_time() - since == pytest.approx(rules.PATIENCE)
        assert checker.waiting() == 0
        blocker.release()


async def test_a_cancelled_wait_leaves_nothing(autojump_clock: MockClock) -> None:
    checker = PasswordChecker(CountingHasher(), inline=True)
    blocker = Blocker(checker)
    async with trio.open_nursery() as nursery:
        await nursery.start(blocker.hold)
        with trio.move_on_after(1):
            await attempt(checker, "right", "alice", Origin())
        assert checker.waiting() == 0
        blocker.release()
    assert await attempt(checker, "right", "alice", Origin())


def test_failures_are_forgotten_in_time() -> None:
    failures = Failures()
    for _ in range(8):
        failures.add("alice", 0.0)
    assert [failures.rank("alice", at) for at in (0.0, 60.0, 120.0, 600.0)] == [4, 3, 2, 0]
    assert failures.rank("bob", 0.0) == 0


def test_failures_are_bounded() -> None:
    failures = Failures()
    for i in range(rules.REMEMBERED + 1):
        failures.add(f"login {i}", 0.0)
    assert failures.rank("login 0", 0.0) == 0
    assert failures.rank("login 1", 0.0) == 1
