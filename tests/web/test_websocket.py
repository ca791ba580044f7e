from __future__ import annotations

import pytest
import trio
import trio.testing
from trio_websocket import wrap_server_stream

from tests.web.parts import NONCE, NewWorld, Reader, frame, handshake, request, text, upgraded


async def test_messages_come_and_go(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        reader = await upgraded(client)
        await client.send_all(text("hello") + frame(2, b"\x01\x02"))
        assert await reader.frame() == (1, b"hello")
        assert await reader.frame() == (2, b"\x01\x02")
        assert world.session.info.kind == "ws"


async def test_frames_sent_with_the_handshake_are_not_lost(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        await client.send_all(handshake() + text("early"))
        reader = Reader(client)
        await reader.head()
        assert await reader.frame() == (1, b"early")


async def test_a_thousand_messages_in_one_write_are_answered_in_order(
    serving: NewWorld, autojump_clock
):
    async with serving() as world:
        client = world.connect()
        reader = await upgraded(client)
        await client.send_all(b"".join(text(str(n)) for n in range(1000)))
        for n in range(1000):
            assert await reader.frame() == (1, str(n).encode())


async def test_a_ping_is_answered(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        reader = await upgraded(client)
        await client.send_all(frame(9, b"there?"))
        assert await reader.frame() == (10, b"there?")


async def test_a_close_is_answered_and_ends_the_session_once(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        reader = await upgraded(client)
        await client.send_all(frame(8, b"\x03\xe8bye"))
        assert (await reader.frame())[0] == 8
        assert await reader.ended()
        assert trio.current_time() == 0
        assert world.session.ends == 1
        assert world.session.outlet.closed


async def test_after_our_close_nothing_is_sent_and_nothing_received(
    serving: NewWorld, autojump_clock
):
    async with serving() as world:
        client = world.connect()
        reader = await upgraded(client)
        outlet = world.session.outlet
        outlet.push(b"\x81\x01a")
        outlet.finish(1001, "going")
        outlet.push(b"\x81\x01b")
        outlet.finish(1000)
        assert await reader.frame() == (1, b"a")
        assert await reader.frame() == (8, b"\x03\xe9going")
        await client.send_all(text("late") + frame(9, b"") + frame(8, b"\x03\xe9"))
        assert await reader.ended()
        assert trio.current_time() == 0
        assert world.session.got == []


async def test_hanging_up_ends_the_connection_without_a_close(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        reader = await upgraded(client)
        world.session.outlet.push(b"\x81\x01a")
        world.session.outlet.hang_up()
        assert await reader.frame() == (1, b"a")
        assert await reader.ended()
        assert world.session.ends == 1
        await client.send_all(text("late"))
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() == 0
        assert world.session.got == []


async def test_who_does_not_answer_our_close_is_cut_off(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        reader = await upgraded(client)
        before = trio.current_time()
        world.session.outlet.finish()
        await reader.frame()
        assert await reader.ended()
        assert trio.current_time() - before <= 5.1
        assert world.session.ends == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(frame(1, b"x" * 1025), 1009, id="too many characters"),
        pytest.param(frame(1, "é".encode() * 513), 1009, id="too many bytes"),
        pytest.param(frame(2, b"x" * 1025), 1009, id="binary"),
        pytest.param(b"\x81\xff" + (2**62).to_bytes(8, "big") + bytes(4), 1009, id="declared"),
        pytest.param(
            frame(1, b"x" * 1000, fin=False) + frame(0, b"x" * 25), 1009, id="in fragments"
        ),
        pytest.param(
            frame(1, b"", fin=False) + frame(0, b"", fin=False) * 3000, 1008, id="empty fragments"
        ),
        pytest.param(frame(1, b"\xff\xfe"), 1007, id="invalid UTF-8"),
        pytest.param(frame(1, b"\xed\xa0\x80"), 1007, id="surrogate"),
        pytest.param(frame(1, b"\xc3", fin=False) + frame(0, b"("), 1007, id="torn UTF-8"),
        pytest.param(frame(3, b""), 1002, id="reserved opcode"),
        pytest.param(b"\x81\x01a", 1002, id="not masked"),
        pytest.param(frame(0, b"a"), 1002, id="continues nothing"),
        pytest.param(b"\xc1\x80" + bytes(4), 1002, id="compressed"),
        pytest.param(b"\x89\xfe\x00\x7e" + bytes(130), 1002, id="long ping"),
    ],
)
async def test_bad_frames_close_with_a_code_and_what_came_before_is_answered(
    serving: NewWorld, autojump_clock, data: bytes, code: int
):
    async with serving(limits={"message_size": 1024}) as world:
        client = world.connect()
        reader = await upgraded(client)
        await client.send_all(text("first") + data)
        assert await reader.frame() == (1, b"first")
        opcode, payload = await reader.frame()
        assert (opcode, int.from_bytes(payload[:2], "big")) == (8, code)
        assert await reader.ended()
        assert world.session.ends == 1


async def test_a_message_of_the_limit_passes(serving: NewWorld, autojump_clock):
    async with serving(limits={"message_size": 1024}) as world:
        client = world.connect()
        reader = await upgraded(client)
        whole = "é" * 512
        await client.send_all(frame(1, whole.encode()[:7], fin=False) + frame(9, b"p"))
        await client.send_all(frame(0, whole.encode()[7:]))
        assert await reader.frame() == (10, b"p")
        assert await reader.frame() == (1, whole.encode())


async def test_one_byte_at_a_time(serving: NewWorld, autojump_clock):
    async with serving(limits={"message_size": 1024}) as world:
        client = world.connect()
        reader = Reader(client)
        for byte in handshake() + text("x" * 300) + text("y") + frame(1, b"z" * 1025):
            await client.send_all(bytes([byte]))
            if world.sessions and world.session.outlet.closed:
                break
        await reader.head()
        assert await reader.frame() == (1, b"x" * 300)
        assert await reader.frame() == (1, b"y")
        assert await reader.frame() == (8, b"\x03\xf1message too big")


async def test_silence_is_pinged_and_then_evicted(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        reader = await upgraded(client)
        began = trio.current_time()
        assert await reader.frame() == (9, b"")
        assert trio.current_time() - began == pytest.approx(49.5, abs=0.1)
        await client.send_all(frame(10, b""))
        assert await reader.frame() == (9, b"")
        assert await reader.ended()
        assert trio.current_time() - began == pytest.approx(49.5 + 55, abs=0.1)
        assert world.session.ends == 1


async def test_our_own_waiting_is_no_silence(serving: NewWorld, autojump_clock):
    async with serving() as world:
        world.gates.append(trio.Event())
        client = world.connect()
        reader = await upgraded(client)
        await client.send_all(text("a") + text("b") + text("c"))
        await trio.sleep(300)
        world.gates[0].set()
        for expected in (b"a", b"b", b"c"):
            opcode, payload = await reader.frame()
            assert (opcode, payload) == (1, expected)


async def test_a_peer_that_does_not_read_does_not_hold_pongs_up(serving: NewWorld, autojump_clock):
    """It is cut when it has taken nothing for the write deadline; and only it."""
    async with serving() as world:
        mine, theirs = trio.testing.lockstep_stream_pair()
        world.front.adopt(theirs)
        await upgraded(mine)
        for _ in range(100):
            await mine.send_all(frame(9, b"x" * 100))
        await trio.sleep(10.1)
        await trio.testing.wait_all_tasks_blocked()
        assert world.session.ends == 1
        assert world.front.statistics().slow_by_time == 1


async def test_a_bug_in_a_session_ends_that_session_alone(
    serving: NewWorld, autojump_clock, caplog
):
    async with serving() as world:
        client, other = world.connect(), world.connect()
        reader, others = await upgraded(client), await upgraded(other)
        await client.send_all(text("bug"))
        assert await reader.frame() == (8, b"\x03\xf3")
        assert await reader.ended()
        await other.send_all(text("still here"))
        assert await others.frame() == (1, b"still here")
        assert [session.ends for session in world.sessions] == [1, 0]
    assert "a connection failed" in caplog.text


async def test_an_abort_ends_a_session_that_waits(serving: NewWorld, autojump_clock):
    async with serving() as world:
        world.gates.append(trio.Event())
        client = world.connect()
        reader = await upgraded(client)
        await client.send_all(text("a"))
        await trio.testing.wait_all_tasks_blocked()
        world.session.outlet.abort()
        assert await reader.ended()
        assert world.session.ends == 1


async def test_a_lost_connection_ends_the_session(serving: NewWorld, autojump_clock):
    async with serving() as world:
        client = world.connect()
        await upgraded(client)
        await client.send_all(text("last") + b"\x81")
        await client.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert world.session.got == ["last"]
        assert world.session.ends == 1
        assert world.front.statistics().connections == 0


async def test_cancelling_the_front_ends_sessions(serving: NewWorld, autojump_clock):
    async with serving() as world:
        await upgraded(world.connect())
    assert world.session.ends == 1


async def test_the_session_knows_the_client(serving: NewWorld, autojump_clock):
    async with serving(web={"forwarded_for": True}) as world:
        behind = {"X-Forwarded-For": "10.0.0.1, 8.8.8.8, 192.168.0.1"}
        await upgraded(world.connect(), headers=behind)
        assert world.session.info.address == "8.8.8.8"
        assert world.session.info.api_key.startswith("AQEAAAABAAD")


async def test_a_plain_request_and_then_a_websocket_on_one_connection(
    serving: NewWorld, autojump_clock
):
    async with serving() as world:
        client = world.connect()
        await client.send_all(request(target="/nosuch") + handshake() + text("hi"))
        reader = Reader(client)
        assert (await reader.answer())[0] == 404
        assert (await reader.head())[0] == 101
        assert await reader.frame() == (1, b"hi")


@pytest.mark.parametrize("again", range(8))  # the order of tasks is Trio's to choose
async def test_nothing_can_be_sent_to_a_session_that_has_ended(
    serving: NewWorld, autojump_clock, again: int
):
    """Topics learn of the end a little later than the connection, and go on sending."""
    async with serving() as world:
        client = world.connect()
        await upgraded(client)
        await trio.testing.wait_all_tasks_blocked()
        session = world.session
        await trio.aclose_forcefully(client)
        while not session.ends:
            await trio.lowlevel.checkpoint()
        for _ in range(10):
            session.outlet.push(b"\x81\x01x")
            await trio.lowlevel.checkpoint()


async def library_answer(nonce: str) -> bytes:
    """What trio-websocket answers to a plain handshake."""
    client, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:

        async def accept() -> None:
            asked = await wrap_server_stream(nursery, server)
            await asked.accept()

        nursery.start_soon(accept)
        await client.send_all(handshake({"Sec-WebSocket-Key": nonce}))
        answer = bytes(await client.receive_some())
        nursery.cancel_scope.cancel()
    return answer


@pytest.mark.parametrize("nonce", [NONCE, "AAAAAAAAAAAAAAAAAAAAAA==", "//////////////////////=="])
async def test_a_handshake_is_answered_as_the_library_does(
    serving: NewWorld, autojump_clock, nonce: str
):
    async with serving() as world:
        client = world.connect()
        await client.send_all(handshake({"Sec-WebSocket-Key": nonce}))
        assert bytes(await client.receive_some()) == await library_answer(nonce)


async def test_extensions_and_protocols_are_not_agreed_upon(serving: NewWorld, autojump_clock):
    wanted = {
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol": "chat, superchat",
    }
    async with serving() as world:
        client = world.connect()
        await client.send_all(handshake(wanted))
        assert bytes(await client.receive_some()) == await library_answer(NONCE)
