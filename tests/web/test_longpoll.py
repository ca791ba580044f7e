"""Long polling: real bytes against a whole server, on the virtual clock."""

from __future__ import annotations

import gzip
import json
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from tests.web.parts import KEY, Reader, request
from tests.web.polling import (
    ASKED,
    LP,
    Answer,
    Hanging,
    Poller,
    ask,
    ctrl,
    greeted,
    opened,
    registered,
)
from tinode_py.live.outbox import ConnectionInfo
from tinode_py.live.sockets import reset
from tinode_py.testing import RunningServer, running_server
from tinode_py.web.polled import POLLS

GET_ME = '{"get":{"id":"g","topic":"me","what":"desc"}}'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PARTS = {"Content-Type": "multipart/form-data; boundary=b"}
KEY_PART = (
    f'--b\r\nContent-Disposition: form-data; name="apikey"\r\n\r\n{KEY}\r\n--b--\r\n'.encode()
)
HEADERS = {
    "content-type": "text/plain",
    "access-control-allow-origin": "*",
    "cache-control": "no-cache, no-store, must-revalidate",
    "expires": "0",
}


def has_headers(answer: Answer) -> bool:
    return HEADERS.items() <= answer[1].items()


# --- a session begins and ends ---------------------------------------------------------------


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
    alice, bob = await _friends(tinode_server)
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


# --- packets ---------------------------------------------------------------------------------


async def test_replies_come_through_polls_in_order_one_a_poll(
    tinode_server: RunningServer, autojump_clock
):
    poller = await greeted(tinode_server)
    for ident in "abc":
        body = GET_ME.replace('"g"', f'"{ident}"')
        answer = await poller.post(body)
        assert (answer[0], answer[2]) == (200, b"")
        assert has_headers(answer)
    for ident in "abc":
        answer = await poller.poll()
        assert has_headers(answer)
        assert (ctrl(answer)["id"], ctrl(answer)["code"]) == (ident, 401)


@pytest.mark.parametrize(
    "body",
    [
        *("not json", "{}", "[]", '""', "null", "true", "5", '{"foo":{}}', '{"pub":5}'),
        *('{"get":{"id":1}}', '{"get":null}', " ", '{"get":', GET_ME * 2, f"[{GET_ME}]"),
        *(f"{GET_ME}\n{GET_ME}", "\ufeff" + GET_ME, b"\xff\xfe{}", GET_ME.encode("utf-16")),
        GET_ME.replace('"g"', '"\x80"').encode("latin-1"),
    ],
)
async def test_what_is_no_packet_is_said_by_a_poll(
    tinode_server: RunningServer, autojump_clock, body: str | bytes
):
    poller = await greeted(tinode_server)
    answer = await poller.post(body)
    assert (answer[0], answer[2]) == (200, b"")
    said = ctrl(await poller.poll())
    assert (said["code"], said["text"], said.get("id")) == (400, "malformed", None)
    await poller.post(GET_ME)
    assert ctrl(await poller.poll())["id"] == "g"


@pytest.mark.parametrize("kind", ["application/json", "text/plain", *FORM.values(), "", "rubbish"])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
async def test_any_method_and_content_type_carries_a_packet(
    tinode_server: RunningServer, autojump_clock, kind: str, method: str
):
    poller = await greeted(tinode_server)
    headers = {"Content-Type": kind} if kind else {}
    answer = await ask(tinode_server, method, poller.target, headers, body=GET_ME.encode())
    assert (answer[0], answer[2]) == (200, b"")
    assert ctrl(await poller.poll())["id"] == "g"


async def test_a_probe_of_the_network(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    await poller.post("1")
    assert (await poller.poll())[2] == b"0"


async def test_a_post_without_a_body_polls(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    await poller.post("1")
    headers = {"Content-Length": "0"}
    assert (await ask(tinode_server, "POST", poller.target, headers))[2] == b"0"


def chunked(body: bytes, size: int = 40_000) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(it), it) for it in [*pieces, b""])


async def test_packets_up_to_the_limit(tinode_server: RunningServer, autojump_clock):
    poller = await greeted(tinode_server)
    for size in (131_071, 131_072):
        assert (await poller.post(GET_ME.ljust(size)))[0] == 200
        assert ctrl(await poller.poll())["code"] == 401
    answer = await poller.post(GET_ME.ljust(131_073))
    assert (answer[0], ctrl(answer)["code"], ctrl(answer)["text"]) == (417, 400, "malformed")
    assert has_headers(answer)
    headers = {"Transfer-Encoding": "chunked"}
    async with tinode_server.stream() as stream:
        head = request("POST", poller.target, headers)
        await stream.send_all(head + chunked(GET_ME.ljust(131_073).encode()))
        reader = Reader(stream)
        answer = await reader.answer()
        assert (answer[0], ctrl(answer)["code"]) == (400, 400)
        await stream.send_all(head + chunked(GET_ME.encode()))  # the connection lives on
        assert (await reader.answer())[0] == 200
    assert ctrl(await poller.poll())["id"] == "g"
    assert (await poller.poll())[2] == b""  # and nothing else was queued


async def test_two_megabytes_are_refused_before_they_have_come(
    tinode_server: RunningServer, autojump_clock
):
    poller = await greeted(tinode_server)
    async with tinode_server.stream() as stream:
        headers = {"Content-Length": "2000000"}
        await stream.send_all(request("POST", poller.target, headers) + bytes(500_000))
        assert (await Reader(stream).answer())[0] == 417


async def test_a_body_that_never_ends_costs_its_connection_alone(
    tinode_server: RunningServer, autojump_clock
):
    poller = await greeted(tinode_server)
    async with tinode_server.stream() as stream, tinode_server.stream() as cut:
        half = request("POST", poller.target, {"Content-Length": "100"}) + b'{"get":'
        await cut.send_all(half)
        await cut.aclose()
        await stream.send_all(half)
        await poller.post(GET_ME)
        assert ctrl(await poller.poll())["id"] == "g"
        with trio.fail_after(60):
            reader = Reader(stream)
            assert (await reader.answer())[0] == 400
            assert await reader.ended()
    assert (await poller.post("1"))[0] == 200
    assert (await poller.poll())[2] == b"0"


async def test_a_long_packet_is_compressed_where_that_is_welcome(
    tinode_server: RunningServer, autojump_clock
):
    poller = await registered(tinode_server, "alice")
    await poller.ask(sub={"topic": "slf"})
    await poller.post(json.dumps({"pub": {"id": "p", "topic": "slf", "content": "x" * 5000}}))
    welcome = {"Accept-Encoding": "gzip, deflate"}
    seen: dict[bool, str] = {}
    for _ in range(2):  # the {ctrl}, and the {data}
        _, headers, body = await ask(tinode_server, "GET", poller.target, welcome)
        if "content-encoding" in headers:
            assert headers["content-encoding"] == "gzip"
            body = gzip.decompress(body)
        seen["content-encoding" in headers] = next(iter(json.loads(body)))
    assert seen == {False: "ctrl", True: "data"}


# --- polls -----------------------------------------------------------------------------------


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


# --- bounds ----------------------------------------------------------------------------------


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
        alice, bob = await _friends(server)
        session = server.server.polled.get(bob.sid)
        assert session is not None
        session.outbox.push(b"\x82\x7f" + (70_000).to_bytes(8, "big") + bytes(70_000))
        assert session.outbox.queued > 70_000  # one answer may be longer than the limit
        session.outbox.push(b"\x81\x01x")
        assert session.outbox.closed
        assert (await alice.until("pres"))["what"] == "off"


async def test_the_number_of_sessions_is_bounded(autojump_clock):
    async with running_server(web={"longpoll": {"sessions": 3}}) as server:
        first = await opened(server)
        for _ in range(2):
            await opened(server)
        answer = await ask(server, "POST", ASKED)
        assert (answer[0], ctrl(answer)["text"]) == (503, "service unavailable")
        assert has_headers(answer)
        assert server.server.polled.statistics().refused == 1
        assert (await first.post("1"))[0] == 200
        await trio.sleep(80)
        await opened(server)


async def test_the_number_of_sessions_from_an_address_is_bounded(autojump_clock):
    web = {"longpoll": {"per_address": 2}, "forwarded_for": True}
    async with running_server(web=web) as server:
        for address in ("192.0.2.1", "8.8.8.8", "9.9.9.9"):
            made = [
                (await ask(server, "POST", ASKED, {"X-Forwarded-For": address}))[0]
                for _ in range(3)
            ]
            # Addresses that nobody has on the Internet tell nothing.
            assert made == ([201, 201, 201] if address == "192.0.2.1" else [201, 201, 503])


async def test_no_sessions_at_all(autojump_clock):
    async with running_server(web={"longpoll": {"sessions": 0}}) as server:
        assert (await ask(server, "POST", ASKED))[0] == 503


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


# --- keys, origins, methods ------------------------------------------------------------------

OPENING: list[tuple[str, bytes, int]] = [
    ("no key", request("POST", LP), 403),
    ("no key, OPTIONS", request("OPTIONS", LP), 403),
    ("wrong key", request("POST", f"{LP}?apikey=bad"), 403),
    ("key cut short", request("POST", ASKED[:-4]), 403),
    ("name in capitals", request("POST", f"{LP}?APIKEY={KEY}"), 403),
    ("header", request("POST", LP, {"X-Tinode-APIKey": KEY}), 201),
    ("cookie", request("POST", LP, {"Cookie": f"a=b; apikey={KEY}"}), 201),
    ("form", request("POST", LP, FORM, body=f"apikey={KEY}&id=f".encode()), 201),
    ("form of parts", request("POST", LP, PARTS, body=KEY_PART), 201),
    ("form, GET", request("GET", LP, FORM, body=f"apikey={KEY}".encode()), 403),
    ("text", request("POST", LP, body=f"apikey={KEY}".encode()), 403),
    ("bad header, good query", request("POST", ASKED, {"X-Tinode-APIKey": "bad"}), 403),
    ("empty header, good query", request("POST", ASKED, {"X-Tinode-APIKey": ""}), 201),
    ("bad query, good cookie", request("POST", f"{LP}?apikey=x", {"Cookie": f"apikey={KEY}"}), 403),
    ("long form without a key", request("POST", LP, FORM, body=b"x" * 140_000), 403),
    ("long form with a key", request("POST", ASKED, FORM, body=b"x" * 140_000), 417),
    ("long id", request("POST", f"{ASKED}&id={'x' * 257}"), 400),
    ("DELETE", request("DELETE", ASKED), 405),
    ("HEAD", request("HEAD", ASKED), 405),
    ("PATCH", request("PATCH", ASKED), 405),
    ("a slash more", request("POST", f"{LP}/?apikey={KEY}"), 404),
]


@pytest.mark.parametrize(
    ("data", "expected"), [pytest.param(*row[1:], id=row[0]) for row in OPENING]
)
async def test_who_may_open_a_session(
    tinode_server: RunningServer, autojump_clock, data: bytes, expected: int
):
    async with tinode_server.stream() as stream:
        await stream.send_all(data)
        status, headers = await Reader(stream).head()
    assert status == expected
    assert tinode_server.server.polled.statistics().opened == (expected == 201)
    if data.startswith(b"GET /v0/channels/lp HTTP") or b"no key" in data:
        assert headers["content-type"] == "text/plain"


async def test_a_sid_elsewhere(tinode_server: RunningServer, autojump_clock):
    poller = await opened(tinode_server)
    asked: list[dict[str, Any]] = [
        {"headers": {"Cookie": f"sid={poller.sid}"}},
        {"body": f"sid={poller.sid}".encode()},
    ]
    for more in asked:  # not seen: another session
        answer = await ask(tinode_server, "POST", ASKED, **more)
        assert ctrl(answer)["params"]["sid"] != poller.sid
    form = f"sid={poller.sid}".encode()  # seen, but then it is no packet
    assert (await ask(tinode_server, "POST", ASKED, FORM, body=form))[0] == 200
    assert ctrl(await poller.poll())["code"] == 400


async def test_a_page_may_ask_before_it_sends(tinode_server: RunningServer, autojump_clock):
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    status, told, body = await ask(tinode_server, "OPTIONS", ASKED, headers)
    assert (status, body) == (204, b"")
    assert told["access-control-allow-origin"] == "*"
    assert "POST" in told["access-control-allow-methods"]
    assert "content-type" in told["access-control-allow-headers"]
    assert tinode_server.server.polled.statistics().opened == 0


async def test_listed_origins_alone_may_open_sessions(autojump_clock):
    async with running_server(web={"origins": ["https://chat.example"]}) as server:
        status, headers, _ = await ask(server, "POST", ASKED, {"Origin": "https://chat.example"})
        assert (status, headers["access-control-allow-origin"]) == (201, "https://chat.example")
        status, headers, _ = await ask(server, "POST", ASKED, {"Origin": "https://evil.example"})
        assert (status, headers.get("access-control-allow-origin")) == (403, None)
        assert "Origin" in headers["vary"]
        assert (await ask(server, "POST", ASKED))[0] == 201


async def test_http_1_0(tinode_server: RunningServer, autojump_clock):
    status, headers, _ = await ask(tinode_server, "POST", ASKED, version="1.0")
    assert (status, headers[":version"]) == (201, "HTTP/1.0")
    assert headers["pragma"] == "no-cache"
    assert "cache-control" not in headers


# --- people ----------------------------------------------------------------------------------


async def _friends(server: RunningServer) -> tuple[Poller, Poller]:
    """Two who know each other and are on `me`; all of that was read."""
    alice, bob = await registered(server, "alice"), await registered(server, "bobby")
    await alice.ask(sub={"topic": bob.user})
    await bob.ask(sub={"topic": alice.user})
    await alice.ask(get={"topic": "me", "what": "desc"})
    alice.seen.clear()
    bob.seen.clear()
    return alice, bob


async def test_two_people_chat(tinode_server: RunningServer, autojump_clock):
    alice, bob = await _friends(tinode_server)
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


# --- the server stops ------------------------------------------------------------------------


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
