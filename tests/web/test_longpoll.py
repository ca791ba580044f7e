"""Long polling, sessions and people: real bytes against a whole server, on the virtual clock."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from tests.web.polling import (
    ASKED,
    GET_ME,
    Poller,
    ask,
    ctrl,
    friends,
    has_headers,
    opened,
    registered,
)
from tinode_py.testing import RunningServer, running_server


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_request_without_sid_makes_a_session(
    tinode_server: RunningServer, autojump_clock, method: str
):
    answer = await ask(tinode_server, method, f"{ASKED}&id=mine&sid=")
    assert answer[0] == 201
    assert has_headers(answer)
    made = ctrl(answer)
    assert (made["id"], made["code"], made["text"]) == ("mine", 201, "created")
    assert len(made["params"]["sid"]) == 11
    assert answer[2].endswith(b"}\n")


async def test_a_sid_is_not_the_id_in_topics_and_logs(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    assert poller.sid not in tinode_server.server.hub._sessions
    assert tinode_server.server.hub.statistics().sessions == 1


async def test_the_packet_of_the_first_request_is_not_read(
    tinode_server: RunningServer, autojump_clock
):
    answer = await ask(tinode_server, "POST", ASKED, body=b'{"hi":{"id":"1","ver":"0.25"}}')
    poller = Poller(tinode_server, ctrl(answer)["params"]["sid"])
    await poller.post('{"login":{"id":"2","scheme":"basic","secret":"eDp5"}}')
    said = (await poller.next())["ctrl"]
    assert (said["id"], said["code"]) == ("2", 409)


async def test_hello_is_answered_200(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    said = await poller.ask(hi={"ver": "0.25"})
    assert (said["code"], said["text"]) == (200, "ok")
    assert said["params"]["ver"] == "0.25"


@pytest.mark.parametrize("sid", ["AAAAAAAAAAA", "%00%ff", "x" * 4000])
@pytest.mark.parametrize("body", [b"", b'{"hi":{"id":"1","ver":"0.25"}}'])
async def test_a_sid_that_is_none(
    tinode_server: RunningServer, autojump_clock, sid: str, body: bytes
):
    answer = await ask(tinode_server, "POST", f"{ASKED}&sid={sid}&id=x", body=body)
    assert answer[0] == 403
    assert has_headers(answer)
    assert ctrl(answer)["text"] == "invalid or expired session"
    assert "id" not in ctrl(answer)


async def test_a_session_that_nobody_asks_for_is_over_and_its_user_goes_offline(
    tinode_server: RunningServer, autojump_clock
):
    alice, bob = await friends(tinode_server)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bob.poll)
        await trio.sleep(69)
        nursery.cancel_scope.cancel()
    assert (await bob.post(GET_ME))[0] == 200  # 69 s after it began to poll, in time
    await bob.next()
    while True:  # Alice polls on, so that she lives
        pres = await alice.until("pres")
        if pres["what"] == "off":
            break
    assert pres["src"] == bob.user
    assert pres["ua"] == "poller/1"
    assert (await bob.poll())[0] == 403
    assert (await bob.post(GET_ME))[0] == 403
    assert tinode_server.server.polled.statistics().expired == 1


async def test_life_is_counted_from_the_last_request(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    for _ in range(5):
        await trio.sleep(65)
        assert (await poller.post("1"))[0] == 200
    await trio.sleep(71)
    assert (await poller.poll())[0] == 403
    assert tinode_server.server.hub.statistics().sessions == 0


async def test_life_and_polls_are_as_set(autojump_clock):
    web = {"longpoll": {"poll_seconds": 3, "life_seconds": 5}}
    async with running_server(web=web) as server:
        poller = await opened(server)
        before = trio.current_time()
        answer = await poller.poll()
        assert trio.current_time() - before == pytest.approx(3, abs=0.1)
        assert (answer[0], answer[2]) == (200, b"")
        assert has_headers(answer)
        await trio.sleep(2.2)
        assert (await poller.poll())[0] == 403


async def test_an_empty_poll_ends_after_fifty_seconds(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    before = trio.current_time()
    answer = await poller.poll()
    assert trio.current_time() - before == pytest.approx(50, abs=0.1)
    assert (answer[0], answer[2]) == (200, b"")
    assert has_headers(answer)


async def test_a_deleted_account_is_told_then_evicted_then_unknown(
    tinode_server: RunningServer, autojump_clock
):
    poller = await registered(tinode_server, "alice")
    await poller.post('{"del":{"id":"d","what":"user","hard":true}}')
    done = (await poller.next())["ctrl"]
    assert (done["id"], done["code"]) == ("d", 200)
    assert (await poller.post(GET_ME))[0] == 403
    last = (await poller.next())["ctrl"]
    assert (last["code"], last["text"], last.get("id")) == (205, "evicted", None)
    assert (await poller.poll())[0] == 403
    assert tinode_server.server.polled.statistics().sessions == 0


async def test_a_client_that_never_polls_is_told_that_it_is_over(autojump_clock):
    async with running_server(limits={"outbox": 200_000}) as server:
        poller, alice = await registered(server, "carol"), await server.user("alice")
        await poller.ask(sub={"topic": alice.user})
        await alice.sub("me")
        await alice.sub(poller.user)
        for n in range(300):
            await alice.pub(poller.user, str(n).ljust(1000))
            assert _queued(server, poller) < 200_200
        seen: list[Any] = []
        while True:
            packet = await poller.next()
            if packet.get("ctrl", {}).get("code") == 205:
                break
            seen += [int(packet["data"]["content"])] if "data" in packet else []
        assert packet["ctrl"]["text"] == "evicted"
        assert "topic" not in packet["ctrl"]
        assert seen == [*range(len(seen))]  # no gap before the word
        assert 150 < len(seen) < 300
        assert (await poller.poll())[0] == 403
        assert server.server.polled.statistics().slow == 1


def _queued(server: RunningServer, poller: Poller) -> int:
    session = server.server.polled.get(poller.sid)
    assert session is not None
    return session.outbox.queued


async def test_who_is_too_slow_is_offline_before_he_knows(autojump_clock):
    async with running_server(limits={"outbox": 65_536, "message_size": 4096}) as server:
        alice, bob = await friends(server)
        session = server.server.polled.get(bob.sid)
        assert session is not None
        session.outbox.push(b"\x82\x7f" + (70_000).to_bytes(8, "big") + bytes(70_000))
        assert session.outbox.queued > 70_000  # one answer may be longer than the limit
        session.outbox.push(b"\x81\x01x")
        assert session.outbox.closed
        assert (await alice.until("pres"))["what"] == "off"


async def test_packets_that_nobody_can_take_yet_wait_and_are_bounded(autojump_clock):
    async with running_server(limits={"packets_per_second": 1}) as server:
        poller = await opened(server)
        answers: list[int] = []

        async def post() -> None:
            answers.append((await poller.post("1"))[0])

        async with trio.open_nursery() as nursery:
            for _ in range(200):
                nursery.start_soon(post)
        assert set(answers) == {200, 503}
        assert 20 <= answers.count(200) < 60
        for _ in range(answers.count(200)):
            assert (await poller.poll())[2] == b"0"


async def test_two_people_chat(tinode_server: RunningServer, autojump_clock):
    alice, bob = await friends(tinode_server)
    for n in range(1, 6):
        for one, other in ((alice, bob), (bob, alice)):
            done = await one.ask(pub={"topic": other.user, "content": f"row {n}"})
            assert done["code"] == 202
            heard = await other.until("data")
            assert heard["seq"] == done["params"]["seq"]
            assert (heard["from"], heard["content"]) == (one.user, f"row {n}")
            await one.until("data")  # the echo of his own


async def test_one_polls_and_one_has_a_websocket(tinode_server: RunningServer, autojump_clock):
    poller, alice = await registered(tinode_server, "carol"), await tinode_server.user("alice")
    await alice.sub("me")
    await alice.sub(poller.user)
    await poller.ask(sub={"topic": alice.user})
    content = 'odd\n"\x7f\u2028☃'
    await alice.pub(poller.user, content)
    assert (await poller.until("data"))["content"] == content
    await poller.ask(pub={"topic": alice.user, "content": "and back"})
    reply = await alice.get(poller.user, "data")
    assert [message["content"] for message in reply.data][-1] in (content, "and back")
    await alice.pub(poller.user, "read?")
    await poller.post(json.dumps({"note": {"topic": alice.user, "what": "read", "seq": 3}}))
    with trio.fail_after(30):
        while (await alice.receive()).get("info", {}).get("what") != "read":
            pass


async def test_joined_packets_are_given_out_one_by_one(
    tinode_server: RunningServer, autojump_clock
):
    poller = await registered(tinode_server, "alice")
    await poller.ask(sub={"topic": "slf"})
    for n in range(30):
        await poller.ask(pub={"topic": "slf", "content": n, "noecho": True})
    await poller.post('{"get":{"id":"h","topic":"slf","what":"data"}}')
    got = [await poller.next() for _ in range(31)]
    assert sorted(it["data"]["content"] for it in got[:30]) == [*range(30)]
    assert got[30]["ctrl"]["code"] == 208
