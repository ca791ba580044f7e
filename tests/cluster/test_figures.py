"""What a node tells of itself."""

from __future__ import annotations

import trio

from tests.cluster.parts import LEASE, nodes
from tests.docs.pages import DOCS, rows, section
from tests.web.test_metrics import figures


async def test_what_a_node_tells(autojump_clock):
    async with nodes("a", "b") as (machines, (one, two)):
        alice, bob = await one.user("alice"), await two.user("bob")
        group = (await alice.sub("new1", set={"desc": {"defacs": {"auth": "JRWPS"}}})).topic
        await bob.sub(group)
        await trio.sleep(LEASE)
        first, second = await figures(one), await figures(two)
        for found in (first, second):
            assert found["tinode_node_members", ""] == 2
            assert found["tinode_node_links", ""] == 1
            assert found["tinode_node_fenced_total", ""] == 0
            assert found["tinode_node_fenced_time_seconds", ""] == 0
            assert found["tinode_node_messages_total", "sent"] > 2
            assert found["tinode_node_bytes_total", "sent"] > 100
        assert (first["tinode_node_topics", "own"], second["tinode_node_topics", "proxy"]) == (1, 1)
        assert first["tinode_node_jobs", ""] + second["tinode_node_jobs", ""] == 3
        names = {name for name, _ in first if name.startswith("tinode_node_")}
        page = section(DOCS / "metrics.md", "### Of a node")
        written = {
            row[0].strip("`") + ("_total" if row[1].startswith("counter") else "")
            for row in rows(page)
        }
        assert written == names
        machines.isolate("a")
        await trio.sleep(LEASE + 1)
        assert (await figures(two))["tinode_node_members", ""] == 1
        machines.connect_again("a")
        await trio.sleep(1)
        again = await figures(one)
        assert again["tinode_node_fenced_total", ""] == 1
        assert again["tinode_node_fenced_time_seconds", ""] > 0
        for name in ("tinode_node_messages_total", "tinode_node_bytes_total"):
            assert again[name, "sent"] >= first[name, "sent"]
        told = one.server.figures()["node"]
        assert (told["members"], told["links"], told["fenced"]) == (2, 1, 1)
