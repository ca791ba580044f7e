"""What Prometheus reads: figures that are true, for those who may have them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.web.parts import request
from tests.web.polling import ask, ctrl, registered
from tinode_py.client import ClientError
from tinode_py.testing import RunningServer, running_server

Figures = dict[tuple[str, str], float]


async def figures(server: RunningServer, headers: Mapping[str, str] | None = None) -> Figures:
    """Every sample by its name and the value of its one label, `le` of buckets included."""
    status, _, body = await ask(server, "GET", "/metrics", headers)
    assert status == 200
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


async def test_they_follow_what_happens(tinode_server: RunningServer, autojump_clock):
    alice, bob = await tinode_server.user("alice"), await tinode_server.user("bobby")
    for one, other in ((alice, bob), (bob, alice)):
        await one.sub("me")
        await one.sub(other.user)
    before = await figures(tinode_server)
    for n in range(10):
        await alice.pub(bob.user, n)
    await alice.request({"pub": {"topic": bob.user, "content": "unheard", "noecho": True}})
    with pytest.raises(ClientError):
        await bob.sub("grpAAAAAAAAAAE")
    after = await figures(tinode_server)

    def grown(name: str, label: str = "") -> float:
        return after[name, label] - before.get((name, label), 0.0)

    assert grown("tinode_publications_total") == 11
    assert grown("tinode_deliveries_total") == 21  # each to both, but for the one without echo
    assert grown("tinode_commit_seconds_count") == 11
    assert grown("tinode_commit_seconds_bucket", "+Inf") == 11
    assert grown("tinode_delivery_seconds_count") == 11
    assert grown("tinode_refusals_total", "404") == 1
    assert grown("tinode_store_transactions_total") >= 11
    assert after["tinode_sessions", "websocket"] == 2
    assert after["tinode_users", ""] == 2
    assert after["tinode_topics", ""] >= 3
    assert after["tinode_inbox_waiting", ""] == 0
    assert after["process_resident_memory_bytes", ""] > 1_000_000


async def test_polling_sessions_are_counted(autojump_clock):
    async with running_server(web={"longpoll": {"sessions": 1}}) as server:
        poller = await registered(server, "alice")
        assert (await ask(server, "POST", poller.target.partition("&")[0]))[0] == 503
        found = await figures(server)
        assert found["tinode_sessions", "longpoll"] == 1
        assert found["tinode_sessions", "websocket"] == 0
        assert found["tinode_polling_sessions_refused_total", ""] == 1
        session = server.server.polled.get(poller.sid)
        assert session is not None
        session.outbox.push(bytes(4_000_000))
        session.outbox.push(bytes(4_000_000))
        assert (await figures(server))["tinode_slow_sessions_total", "poll"] == 1


async def test_two_servers_in_one_process_keep_apart(autojump_clock):
    async with running_server() as one, running_server() as other:
        await one.user("alice")
        assert (await figures(one))["tinode_users", ""] == 1
        assert (await figures(other))["tinode_users", ""] == 0


@pytest.mark.parametrize(
    ("address", "by_proxy", "expected"),
    [
        ("127.0.0.1", "", 200),
        ("127.0.0.1", "x-forwarded-for: 127.0.0.1", 404),
        ("127.0.0.1", "forwarded: for=127.0.0.1", 404),
        ("127.0.0.1", "x-real-ip: 127.0.0.1", 404),
        ("127.0.0.1", "via: 1.1 proxy", 404),
    ],
)
async def test_without_a_token_they_are_for_this_machine(
    tinode_server: RunningServer, address: str, by_proxy: str, expected: int
):
    name, _, value = by_proxy.partition(": ")
    port = int(tinode_server.url.rpartition(":")[2])
    stream = await trio.open_tcp_stream(address, port)
    async with stream:
        headers = {"Connection": "close", **({name: value} if name else {})}
        await stream.send_all(request("GET", "/metrics", headers))
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 %d " % expected)


async def test_strangers_learn_nothing(autojump_clock):
    async with running_server(web={"forwarded_for": True}) as server:
        answer = await ask(server, "GET", "/metrics", {"X-Forwarded-For": "9.9.9.9"})
        assert (answer[0], ctrl(answer)["text"]) == (404, "not found")


async def test_a_token_opens_from_anywhere(autojump_clock):
    web = {"metrics": {"token": "s3cret"}, "forwarded_for": True}
    async with running_server(web=web) as server:
        far = {"X-Forwarded-For": "9.9.9.9"}
        for header in ("", "Bearer wrong", "Bearer", "Basic s3cret", "s3cret", "Bearer s3cret\xff"):
            status, headers, _ = await ask(server, "GET", "/metrics", {"Authorization": header})
            assert (status, headers["www-authenticate"]) == (401, "Bearer")
        assert await figures(server, {**far, "Authorization": "Bearer s3cret"})


async def test_off(autojump_clock):
    async with running_server(web={"metrics": {"enabled": False}}) as server:
        assert (await ask(server, "GET", "/metrics"))[0] == 404


async def test_both_formats(tinode_server: RunningServer, autojump_clock):
    plain = await ask(tinode_server, "GET", "/metrics")
    assert plain[1]["content-type"].startswith("text/plain; version=")
    welcome = {"Accept": "application/openmetrics-text; version=1.0.0"}
    later = await ask(tinode_server, "GET", "/metrics", welcome)
    assert later[1]["content-type"].startswith("application/openmetrics-text")
    assert later[2].endswith(b"# EOF\n")
