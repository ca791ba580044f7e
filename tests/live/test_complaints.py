"""What goes wrong with every request is said once a minute."""

from __future__ import annotations

import contextlib
import logging

import pytest
import trio

from tests.live.parts import trick
from tinode_py.changes_backend import DropWebhook
from tinode_py.client import ClientError
from tinode_py.errors import StoreAway, StoreError
from tinode_py.live.collecting import Collector
from tinode_py.live.complaints import AGAIN, Complaints, Outage
from tinode_py.live.retention import Retention
from tinode_py.live.upkeep import EVERY, keep_up
from tinode_py.testing import running_server
from tinode_py.web.v1.backend import Backend
from tinode_py.web.v1.due import send_when_due

log = logging.getLogger("tinode_py.complaints")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_the_same_is_said_once_a_minute(caplog):
    clock = [0.0]
    complaints = Complaints(log, lambda: clock[0])
    for second in (0, 1, AGAIN - 1, AGAIN, AGAIN + 1):
        clock[0] = second
        complaints.failed("a commit failed", StoreAway("there is no connection"))
    complaints.failed("a commit failed", StoreAway("something else"))
    assert lines(caplog) == [
        "a commit failed: there is no connection",
        "a commit failed: there is no connection (2 times more before)",
        "a commit failed: something else",
    ]
    assert not any(record.exc_info for record in caplog.records)


def test_a_riddle_is_told_each_time_with_all_that_is_known(caplog):
    complaints = Complaints(log, lambda: 0.0)
    for _ in range(2):
        complaints.failed("a commit failed", StoreError("a constraint"), topic="grp1")
    assert lines(caplog) == ["a commit failed: a constraint"] * 2
    assert all(record.exc_info and record.topic == "grp1" for record in caplog.records)


def test_an_outage_is_two_lines_however_long_it_lasts(caplog):
    caplog.set_level(logging.INFO)
    outage = Outage(log, "upkeep")
    outage.over()
    for _ in range(2):
        for _ in range(100):
            outage.failed(StoreAway("there is no connection"))
        outage.over()
        outage.over()
    two = ["upkeep waits for the store: there is no connection"]
    two += ["upkeep goes on, the store is back"]
    assert lines(caplog) == two * 2
    assert not any(record.exc_info for record in caplog.records)
    outage.failed(StoreError("a constraint"))
    assert lines(caplog)[4:] == ["upkeep: a constraint"]
    assert caplog.records[-1].exc_info


@pytest.mark.parametrize("what", ["sending later", "delivery to webhooks", "upkeep"])
async def test_who_tries_again_by_himself_says_so_once(what, autojump_clock, caplog):
    caplog.set_level(logging.INFO)
    async with running_server() as server, trio.open_nursery() as nursery:
        store, of = trick(server), server.server
        store.away = True
        if what == "sending later":
            nursery.start_soon(send_when_due, Backend.over(of.hub, of.entrance, of.events))
        elif what == "upkeep":
            users = Collector(of.settings, store, of.hub.now, lambda user: False, of.hub.submit)
            retention = Retention(of.settings, store, of.hub.now, settle_nothing)
            nursery.start_soon(keep_up, store, of.hub.now, users, retention)
        else:
            of.events.webhooks.store = store
            nursery.start_soon(of.events.webhooks._tools().commit, DropWebhook(7))
        await trio.sleep(5 * EVERY)
        store.away = False
        await trio.sleep(EVERY + 10)
        nursery.cancel_scope.cancel()
    said = [line for line in lines(caplog) if line.startswith(what)]
    assert said == [
        f"{what} waits for the store: the store cannot be reached",
        f"{what} goes on, the store is back",
    ]
    assert not any(record.exc_info for record in caplog.records)


async def settle_nothing(topic: str, event: object) -> bool:
    return True


async def test_a_store_that_is_away_takes_few_lines(autojump_clock, caplog):
    """Requests, and who comes and goes meanwhile."""
    async with running_server() as server:
        alice, bob = await server.user("alice"), await server.user("bob")
        group = (await alice.sub("new1")).topic
        store = trick(server)
        assert server.server.hub.attendance is not None
        server.server.hub.attendance.store = store
        store.away = True
        await bob.aclose()
        for i in range(30):
            for ask in (alice.pub(group, i), alice.get(bob.user, "desc"), alice.sub(f"new{i}")):
                with contextlib.suppress(ClientError):
                    await ask
            await trio.sleep(0.5)
        said = [it for it in caplog.records if it.levelno >= logging.WARNING]
        assert 1 < len(said) <= 5
        assert not any(it.exc_info for it in said)
        store.away = False
