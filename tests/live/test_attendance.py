"""Online and offline in the log of events: once each, in turns, whatever connections do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.live.parts import TrickyStore, bare_client
from tests.store.made import ANN, BOB, CAT
from tinode_py.changes import Batch, Committed
from tinode_py.changes_backend import PutOffline, PutOnline
from tinode_py.live.attendance import Attendance
from tinode_py.live.link import Link
from tinode_py.queries_backend import EventsAfter, OnlineAfter
from tinode_py.store.base import Store
from tinode_py.store.memory import MemoryStore
from tinode_py.store.sqlite import open_sqlite
from tinode_py.testing import RunningServer, running_server


async def turns(store: Store, user: str = "") -> list[tuple[str, str, dict[str, Any]]]:
    """Who came and went: the kind, the user, what is told."""
    page = await store.fetch(EventsAfter(0, 1000, messages=False))
    found = [e for e in page.events if e.kind.startswith("user.") and user in ("", e.user)]
    return [(e.kind[5:], e.user, json.loads(e.detail or b"null")) for e in found]


async def kinds(server: RunningServer, user: str) -> list[str]:
    await trio.testing.wait_all_tasks_blocked()
    return [kind for kind, *_ in await turns(server.server.store, user)]


@pytest.fixture
async def server(autojump_clock):
    async with running_server() as running:
        yield running


async def test_a_user_is_online_while_a_session_is(server: RunningServer):
    phone = await server.user("ann", hi={"platf": "android", "ua": "phone/1"})
    assert await kinds(server, phone.user) == ["online"]
    laptop = await server.user("ann", hi={"platf": "web", "ua": "laptop/1"})
    await phone.aclose()
    assert await kinds(server, phone.user) == ["online"]
    await laptop.aclose()
    assert await kinds(server, phone.user) == ["online", "offline"]
    (_, _, came), (_, _, went) = await turns(server.server.store, phone.user)
    assert (came["platform"], came["user_agent"], came["login"]) == ("android", "phone/1", 1)
    assert (went["platform"], went["user_agent"], went["login"]) == ("web", "laptop/1", 2)


async def test_a_connection_without_a_login_is_nobody(server: RunningServer):
    guest = await server.open()
    await guest.hi()
    await guest.aclose()
    assert await turns(server.server.store) == []


async def test_a_connection_that_vanished_is_told_of_once(server: RunningServer, autojump_clock):
    """It answers no ping: the server gives it up after a while."""
    maker = await server.user("ann")
    user = maker.user
    await maker.aclose()
    vanished = await bare_client(server, maker.token)
    assert await kinds(server, user) == ["online", "offline", "online"]
    await trio.sleep(300)
    assert await kinds(server, user) == ["online", "offline", "online", "offline"]
    await vanished.stream.aclose()
    await trio.sleep(300)
    assert len(await kinds(server, user)) == 4


async def test_a_connection_that_breaks_is_told_of_once(server: RunningServer):
    maker = await server.user("ann")
    broken = await bare_client(server, maker.token)
    await maker.aclose()
    await broken.stream.aclose()
    assert await kinds(server, maker.user) == ["online", "offline"]


async def test_an_account_that_ends_goes_offline(server: RunningServer):
    ann = await server.user("ann")
    await ann.del_("user")
    await ann.wait_closed()
    assert await kinds(server, ann.user) == ["online", "offline"]


async def test_a_stop_ends_what_was_begun(tmp_path: Path, autojump_clock):
    place = {"store": f"sqlite:///{tmp_path / 't.db'}", "data": str(tmp_path)}
    async with running_server(server=place) as server:
        ann, bob = await server.user("ann"), await server.user("bob")
    async with open_sqlite(tmp_path / "t.db", inline=True) as store:
        assert await store.fetch(OnlineAfter("", 9)) == ()
        for user in (ann.user, bob.user):
            assert [kind for kind, *_ in await turns(store, user)] == ["online", "offline"]


async def test_whom_a_crash_left_behind_goes_offline_at_the_start(tmp_path: Path, autojump_clock):
    async with open_sqlite(tmp_path / "t.db", inline=True) as store:
        await store.commit(Batch(tuple(PutOnline(user, 5, b"{}") for user in (ANN, BOB))))
    place = {"store": f"sqlite:///{tmp_path / 't.db'}", "data": str(tmp_path)}
    async with running_server(server=place) as server:
        for user in (ANN, BOB):
            (_, came), (_, went) = [
                (kind, detail) for kind, _, detail in await turns(server.server.store, user)
            ]
            assert (came, went) == ({}, {"reason": "restart"})
    async with running_server(server=place) as server:
        assert len(await turns(server.server.store)) == 4


def new_link() -> Link:
    """A session over no socket."""
    outlet: Any = None
    return Link("s", outlet)


@pytest.fixture
async def failing(autojump_clock, nursery):
    store = TrickyStore(MemoryStore())
    attendance = Attendance(store, lambda: 7)
    nursery.start_soon(attendance.run)
    return store, attendance


async def test_what_cannot_be_written_waits(failing, autojump_clock):
    store, attendance = failing
    link = new_link()
    store.failing = True
    attendance.came(ANN, link)
    attendance.came(BOB, link)
    await trio.sleep(3.5)
    attendance.went(ANN, link)
    assert await turns(store) == []
    store.failing = False
    await attendance.wait_idle()
    assert [(kind, user) for kind, user, _ in await turns(store)] == [
        ("online", ANN),
        ("offline", ANN),
        ("online", BOB),
    ]


async def test_who_comes_and_goes_over_and_over_takes_no_room(failing, autojump_clock):
    store, attendance = failing
    link = new_link()
    store.failing = True
    for _ in range(1000):
        attendance.came(ANN, link)
        attendance.went(ANN, link)
        await trio.lowlevel.checkpoint()
    attendance.came(ANN, link)
    assert len(attendance._waiting.get(ANN, ())) <= 4
    await trio.sleep(2)
    store.failing = False
    await attendance.wait_idle()
    told = [kind for kind, *_ in await turns(store)]
    assert told[-1] == "online"
    assert told == [("online", "offline")[n % 2] for n in range(len(told))]


async def test_metadata_of_a_session_is_told(failing, autojump_clock):
    store, attendance = failing
    link = new_link()
    link.metadata = b'{"room": 7}'
    attendance.came(ANN, link)
    await attendance.wait_idle()
    ((_, _, detail),) = await turns(store)
    assert detail["metadata"] == {"room": 7}


class Holding:
    """A store that has not finished anything yet."""

    def __init__(self) -> None:
        self.given: list[Batch] = []
        self.gate = trio.Event()

    async def commit(self, batch: Batch) -> Committed:
        self.given.append(batch)
        await self.gate.wait()
        return Committed()


async def test_nobody_waits_for_others_to_be_written(autojump_clock, nursery):
    """So that a message of his cannot be handed to the store before the word that he is here."""
    store: Any = Holding()
    attendance = Attendance(store, lambda: 7)
    nursery.start_soon(attendance.run)
    link = new_link()
    for user in (ANN, BOB):
        attendance.came(user, link)
        await trio.testing.wait_all_tasks_blocked()
    attendance.went(ANN, link)
    attendance.went(CAT, link)
    await trio.testing.wait_all_tasks_blocked()
    assert [[change.user for change in batch.changes] for batch in store.given] == [
        [ANN],
        [BOB],
        [CAT],  # Ann's going waits until her coming is written
    ]
    assert all(batch.patient for batch in store.given)
    store.gate.set()
    await attendance.wait_idle()
    assert [change.user for change in store.given[-1].changes] == [ANN]
    nursery.cancel_scope.cancel()


async def test_who_comes_and_who_goes_are_written_apart(autojump_clock, nursery):
    store: Any = Holding()
    store.gate.set()
    attendance = Attendance(store, lambda: 7)
    nursery.start_soon(attendance.run)
    link = new_link()
    attendance.came(ANN, link)
    attendance.went(BOB, link)
    attendance.went(CAT, link)
    attendance.came(CAT, link)
    await attendance.wait_idle()
    given = sorted(store.given, key=lambda batch: len(batch.changes))
    assert [[type(change) for change in batch.changes] for batch in given] == [
        [PutOffline],
        [PutOnline, PutOffline, PutOnline],
    ]
    nursery.cancel_scope.cancel()
