"""What only one node may do at a time: once, and again elsewhere when that node stops."""

from __future__ import annotations

import json
from typing import Any

import attrs
import trio

from tests.cluster.back_end import api_of
from tests.cluster.parts import LEASE, Machines, nodes
from tests.push.service import serving
from tinode_py.cluster.cluster import Cluster
from tinode_py.errors import StoreAway, StoreError
from tinode_py.queries_backend import WebhooksAfter
from tinode_py.wire.times import time_text

JOBS = {"upkeep", "webhooks", "sending later"}


@attrs.define
class Work:
    """A job, and who does it."""

    at_work: list[str] = attrs.field(factory=list)
    begun: list[str] = attrs.field(factory=list)

    async def run(self, name: str) -> None:
        self.at_work.append(name)
        self.begun.append(name)
        try:
            await trio.sleep_forever()
        finally:
            self.at_work.remove(name)

    def offer(self, nursery: trio.Nursery, cluster: Cluster) -> None:
        name = cluster.place.name

        async def run() -> None:
            await self.run(name)

        nursery.start_soon(cluster.alone, "work", run)


async def test_each_job_of_a_server_is_done_by_one_node(autojump_clock):
    async with nodes("a", "b", "c") as (machines, _):
        await trio.sleep(LEASE)
        doing = [machines.clusters[name].node.jobs.doing for name in "abc"]
        assert sorted(job for jobs in doing for job in jobs) == sorted(JOBS)


async def test_a_job_goes_on_elsewhere_within_the_lease(autojump_clock):
    work = Work()
    async with nodes("a", "b") as (machines, _), trio.open_nursery() as nursery:
        work.offer(nursery, machines.clusters["a"])
        await trio.sleep(1)
        work.offer(nursery, machines.clusters["b"])
        await trio.sleep(1)
        assert work.at_work == ["a"]
        machines.isolate("a")
        at, most = trio.current_time(), 0
        while work.begun[-1] != "b":
            await trio.sleep(0.1)
            most = max(most, len(work.at_work))
        assert most == 1
        assert trio.current_time() - at <= LEASE + 1
        machines.connect_again("a")
        await trio.sleep(3 * LEASE)
        assert work.at_work == ["b"]
        nursery.cancel_scope.cancel()


async def test_a_job_that_an_outage_breaks_off_is_one_line(autojump_clock, caplog):
    async def work() -> None:
        raise StoreAway("there is no connection")

    async with nodes("a") as (machines, _), trio.open_nursery() as nursery:
        nursery.start_soon(machines.clusters["a"].alone, "work", work)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    (said,) = [record for record in caplog.records if "broken off" in record.getMessage()]
    why = "the job 'work' was broken off, it begins anew: there is no connection"
    assert (said.getMessage(), said.exc_info) == (why, None)


async def test_who_does_not_reach_the_store_stops_before_another_begins(autojump_clock):
    """Nobody else is there: the work ends with the lease, and begins anew with the store."""
    work = Work()
    async with nodes("a") as (machines, _), trio.open_nursery() as nursery:
        work.offer(nursery, machines.clusters["a"])
        await trio.sleep(1)
        machines.isolate("a")
        await trio.sleep(LEASE + 0.1)
        assert work.at_work == []
        machines.connect_again("a")
        await trio.sleep(LEASE)
        assert (work.at_work, work.begun) == (["a"], ["a", "a"])
        nursery.cancel_scope.cancel()


async def test_a_node_that_will_end_lets_go_of_its_jobs(autojump_clock):
    work = Work()
    async with nodes("a", "b") as (machines, _), trio.open_nursery() as nursery:
        work.offer(nursery, machines.clusters["a"])
        await trio.sleep(1)
        work.offer(nursery, machines.clusters["b"])
        await trio.sleep(1)
        machines.clusters["a"].begin_drain()
        await trio.sleep(LEASE)
        assert work.begun == ["a", "b"]
        nursery.cancel_scope.cancel()


async def test_work_that_the_store_fails_begins_anew(autojump_clock):
    begun = []

    async def work() -> None:
        begun.append(trio.current_time())
        raise StoreError("disk full")

    async with nodes("a") as (machines, _), trio.open_nursery() as nursery:
        nursery.start_soon(machines.clusters["a"].alone, "work", work)
        await trio.sleep(5)
        assert 3 <= len(begun) <= 6
        nursery.cancel_scope.cancel()


async def test_what_is_sent_later_is_sent_by_the_node_that_does_that(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        await trio.sleep(LEASE)
        assert "sending later" in machines.clusters["a"].node.jobs.doing
        alice, bob = await one.user("alice"), await two.user("bob")
        await bob.sub(alice.user)
        at = time_text(two.server.entrance.now() + 2000)
        wanted = {"from": alice.user, "user": bob.user, "content": "later", "at": at}
        assert (await (await api_of(two))("POST", "/messages", wanted)).status == 202
        with trio.fail_after(2.5):
            while "data" not in (packet := await bob.receive()):
                pass
        assert (packet["data"]["content"], packet["data"]["seq"]) == ("later", 1)
        await trio.sleep(2 * LEASE)
        assert not any("data" in packet for packet in bob.receive_all_nowait())


RULES = {"networks": ["127.0.0.0/8"], "longest_pause": 0.1, "timeout": 60.0, "attempts": 3}


def events(service: Any) -> list[int]:
    return [event["id"] for asked in service.asked for event in json.loads(asked.body)["events"]]


async def wait_done(machines: Machines, event: int) -> None:
    """Until it is stored that an event was taken: else it comes again, as after a crash."""
    done = 0
    while done < event:
        await trio.sleep(0.05)
        done = (await machines.store.fetch(WebhooksAfter(0, 1)))[0].done


async def test_webhooks_are_delivered_by_one_node():
    """With a service on a port, so with the real clock. They are asked for on the other node."""
    machines = Machines(lease=1.0)
    async with (
        serving() as service,
        machines.node("a", webhooks=RULES) as one,
        machines.node("b", webhooks=RULES) as two,
    ):
        with trio.fail_after(30):
            api = await api_of(two)
            hook = {"url": service.url, "kinds": ["user.online"]}
            while (made := await api("POST", "/webhooks", hook)).status != 201:
                assert made.status in (502, 503), made.body
                await trio.sleep(0.05)  # they do not know each other yet
            assert "webhooks" in machines.clusters["a"].node.jobs.doing
            assert (await api("POST", "/webhooks", {"url": "http://[::1]/"})).status == 400
            changed = await api("PATCH", f"/webhooks/{made['id']}", {"topics": []})
            assert (changed.status, changed["kinds"]) == (200, hook["kinds"])
            assert (await api("GET", "/webhooks/7")).status == 404
            entry = (await api("GET", "/audit?limit=10"))["items"][0]
            assert entry["action"] == "webhook.change"
            await one.user("alice")
            await two.user("bob")
            while len(events(service)) < 2:
                await service.wait_asked(len(service.asked) + 1)
            last = max(events(service))
            await wait_done(machines, last)
            machines.isolate("a")
            await two.user("carol")
            while len(events(service)) < 3:
                await service.wait_asked(len(service.asked) + 1)
            machines.connect_again("a")
        shown = await api("GET", f"/webhooks/{made['id']}")
        assert shown["url"] == service.url
    assert len(events(service)) == len(set(events(service)))
