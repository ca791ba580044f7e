"""Polls: several of one session, those that are given up, the last ones when the server stops."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from tests.web.parts import KEY, Reader, request
from tests.web.polling import ASKED, GET_ME, Answer, Hanging, Poller, ctrl, has_headers, opened
from tinode_py.live.outbox import ConnectionInfo
from tinode_py.live.sockets import reset
from tinode_py.testing import RunningServer, running_server
from tinode_py.web.polled import POLLS


async def test_several_polls_share_what_comes(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    polls = [await Hanging(tinode_server).begin(poller) for _ in range(3)]
    got: list[bytes] = []

    async def take(hanging: Hanging) -> None:
        got.append((await hanging.answer())[2])

    async with trio.open_nursery() as nursery:
        for hanging in polls:
            nursery.start_soon(take, hanging)
        await poller.post("1")
        await trio.testing.wait_all_tasks_blocked()
        assert got == [b"0"]
        await poller.post("[]")
        await trio.testing.wait_all_tasks_blocked()
        assert len(got) == 2
    assert sorted(got)[0] == b""  # the third ended by itself
    assert tinode_server.server.polled.statistics().polls == 0


async def test_too_many_polls_of_one_session(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    for _ in range(POLLS):
        await Hanging(tinode_server).begin(poller)
    answer = await poller.poll()
    assert (answer[0], ctrl(answer)["text"]) == (503, "service unavailable")
    assert has_headers(answer)


@pytest.mark.parametrize("abruptly", [False, True])
async def test_a_poll_that_was_given_up_swallows_nothing(
    tinode_server: RunningServer, autojump_clock, abruptly: bool
):
    poller = await opened(tinode_server)
    for n in range(20):
        hanging = await Hanging(tinode_server).begin(poller)
        if abruptly:
            hanging.close()  # and in the same turn a packet comes
        else:
            await hanging.stream.aclose()
        session = tinode_server.server.polled.get(poller.sid)
        assert session is not None
        session.outbox.push(b"\x81\x02%d" % (n + 10))
        assert json.loads((await poller.poll())[2]) == n + 10
    assert (await poller.poll())[2] == b""


@pytest.mark.parametrize("abruptly", [False, True])
async def test_a_poll_over_tcp_that_was_given_up_swallows_nothing(
    tinode_server: RunningServer, abruptly: bool
):
    host, _, port = tinode_server.url.rpartition("/")[2].partition(":")
    poller = await opened(tinode_server)
    session = tinode_server.server.polled.get(poller.sid)
    assert session is not None
    for n in range(10, 60):
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(request("GET", poller.target))
        while not session.polls:
            await trio.lowlevel.checkpoint()
        if abruptly:
            reset(stream)
        stream.socket.close()
        session.outbox.push(b"\x81\x02%d" % n)
        assert json.loads((await poller.poll())[2]) == n


async def test_a_poll_over_tls_that_was_given_up_swallows_nothing(tmp_path: Path):
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(str(cert))
    issued.private_key_pem.write_to_path(str(key))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with running_server(web={"tls": {"cert": str(cert), "key": str(key)}}) as server:
        session = server.server.polled.open(ConnectionInfo("192.0.2.1", "lp", KEY))
        port = int(server.url.rpartition(":")[2])
        for n in range(20):
            stream = await trio.open_ssl_over_tcp_stream(
                "localhost", port, ssl_context=context, https_compatible=True
            )
            await stream.send_all(request("GET", f"{ASKED}&sid={session.sid}"))
            while not session.polls:
                await trio.lowlevel.checkpoint()
            await trio.aclose_forcefully(stream)
            session.outbox.push(b"\x81\x01%d" % (n % 10))
            while session.polls:
                await trio.lowlevel.checkpoint()
            assert session.outbox.take() == b"%d" % (n % 10)


async def test_a_client_that_pipelines_is_answered_in_order(
    tinode_server: RunningServer, autojump_clock
):
    poller = await opened(tinode_server)
    async with tinode_server.stream() as stream:
        post, poll = request("POST", poller.target, body=b"1"), request("GET", poller.target)
        await stream.send_all(post + poll + post + poll)
        reader = Reader(stream)
        assert [(await reader.answer())[2] for _ in range(4)] == [b"", b"0", b"", b"0"]


async def test_polls_are_told_that_the_server_stops(autojump_clock):
    async with trio.open_nursery() as nursery:
        async with running_server() as server:
            poller, other = await opened(server), await opened(server)
            await poller.post("1")
            assert (await poller.poll())[2] == b"0"
            hanging = await Hanging(server).begin(poller)
            await other.post("1")
            await other.post("1")
            told: list[Answer] = []
            rest: list[Answer] = []

            async def fetch(_poller: Poller = other) -> None:
                await trio.sleep(0.1)  # the server is draining then
                streams = [server.stream() for _ in range(5)]
                for stream, target, body in zip(
                    streams,
                    [*[_poller.target] * 3, ASKED, _poller.target],
                    [b"", b"", GET_ME.encode(), b"", b""],
                    strict=True,
                ):
                    await stream.send_all(request("POST", target, body=body))
                    rest.append(await Reader(stream).answer())

            async def hear() -> None:
                told.append(await hanging.answer())

            nursery.start_soon(hear)
            nursery.start_soon(fetch)
        await trio.testing.wait_all_tasks_blocked()
    (answer,) = told
    assert (answer[0], ctrl(answer)["code"]) == (200, 205)
    assert ctrl(answer)["text"] == "server shutdown"
    assert answer[1]["connection"] == "close"
    # What waited is still given out, and then nothing more is taken on.
    assert [it[2] for it in rest[:2]] == [b"0", b"0"]
    assert (rest[2][0], rest[3][0]) == (403, 503)
    assert ctrl(rest[4])["text"] == "server shutdown"


async def test_the_last_answer_is_not_overtaken_by_a_reset():
    """Over TCP, in real time: connections are reset at the end of a drain."""
    answers: list[Answer] = []
    ended: list[bytes] = []

    async def hear(stream: trio.SocketStream) -> None:
        async with stream:
            answers.append(await Reader(stream).answer())
            ended.append(await stream.receive_some())

    async with trio.open_nursery() as nursery, running_server() as server:
        poller = await opened(server)
        for _ in range(5):
            stream = await trio.open_tcp_stream("127.0.0.1", int(server.url.split(":")[-1]))
            await stream.send_all(request("GET", poller.target))
            nursery.start_soon(hear, stream)
        while server.server.polled.statistics().polls < 5:
            await trio.lowlevel.checkpoint()
    assert sorted(answer[0] for answer in answers) == [200, 403, 403, 403, 403]
    assert ended == [b""] * 5


async def test_a_session_that_nobody_polls_holds_nothing_up(autojump_clock):
    before = 0.0
    async with running_server(server={"drain_seconds": 60}) as server:
        await opened(server)
        before = trio.current_time()
    assert trio.current_time() - before < 2
