"""Packets that come by requests: what carries them, how long they may be, what is none."""

from __future__ import annotations

import gzip
import json

import pytest
import trio

from tests.web.parts import Reader, request
from tests.web.polling import FORM, GET_ME, ask, ctrl, greeted, has_headers, opened, registered
from tinode_py.testing import RunningServer


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
