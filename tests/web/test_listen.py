from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
import trustme

from tests.web.parts import NewWorld, Reader, World, frame, handshake, request, text, upgraded
from tinode_py.live.sockets import reset
from tinode_py.web.listen import AddressError, open_listeners, url_of
from tinode_py.web.tls import TlsContext


def port_of(listeners: list[trio.SocketListener]) -> int:
    return int(listeners[0].socket.getsockname()[1])


async def connected(listeners: list[trio.SocketListener]) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", port_of(listeners))


async def gone(world: World) -> None:
    """Wait until no connection is left; all sessions must have ended then."""
    with trio.fail_after(30):
        await world.front.wait_empty()
    assert all(session.ends == 1 for session in world.sessions)


async def drained(client: trio.SocketStream) -> None:
    """Read to the end."""
    while await client.receive_some(1_000_000):
        pass


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
async def listeners():
    opened = await open_listeners(["127.0.0.1:0"])
    yield opened
    for listener in opened:
        await listener.aclose()


async def test_little_waits_for_a_session_that_does_not_answer(serving: NewWorld, listeners):
    """Also after a time in which it was read fast, when systems allow for more."""
    message = text("x" * 120)
    async with serving(listeners) as world, trio.open_nursery() as nursery:
        client = await connected(listeners)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        await upgraded(client)
        nursery.start_soon(drained, client)
        sent = 0
        with contextlib.suppress(trio.TooSlowError):
            while True:
                if sent == 20_000:
                    world.session.gate = trio.Event()
                with trio.fail_after(1):
                    await client.send_all(message * 100)
                sent += 100
        waiting = (sent - len(world.session.got)) * len(message)
        assert waiting < 150_000
        nursery.cancel_scope.cancel()
        reset(client)


async def test_a_websocket_over_tcp_writes_at_once(serving: NewWorld, listeners):
    async with serving(listeners) as world:
        client = await connected(listeners)
        reader = await upgraded(client)
        await client.send_all(text("a"))
        assert await reader.frame() == (1, b"a")
        assert world.session.info.address == "127.0.0.1"
        nodelay = client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert nodelay
        world.session.outlet.push(b"\x81\x02hi")
        assert await reader.frame() == (1, b"hi")
        await client.send_all(text("x" * 100_000))
        assert await reader.frame() == (1, b"x" * 100_000)
        await client.aclose()
        await gone(world)


async def test_a_reader_that_never_reads_is_cut_and_memory_is_bounded(serving: NewWorld, listeners):
    async with serving(listeners, limits={"outbox": 1_000_000}) as world:
        client, other = await connected(listeners), await connected(listeners)
        await upgraded(client)
        others = await upgraded(other)
        await trio.testing.wait_all_tasks_blocked()
        outlet = world.sessions[0].outlet
        for _ in range(1000):
            outlet.push(b"\x82\x7e\xff\x00" + bytes(0xFF00))
            assert outlet.queued <= 1_000_000
        assert outlet.closed
        await other.send_all(text("still here"))
        assert await others.frame() == (1, b"still here")
        assert world.front.statistics().slow_by_bytes == 1
        with trio.fail_after(30), pytest.raises(trio.BrokenResourceError):
            await drained(client)
        await client.aclose()
        await other.aclose()
        await gone(world)


async def test_too_big_a_message_gets_its_close_although_more_is_coming(
    serving: NewWorld, listeners
):
    async with serving(listeners) as world:
        client = await connected(listeners)
        reader = await upgraded(client)
        await client.send_all(frame(2, bytes(2_000_000)))
        assert (await reader.frame())[1][:2] == b"\x03\xf1"
        assert await reader.ended()
        await client.aclose()
        await gone(world)


async def test_half_way_disconnects_leave_no_descriptor(serving: NewWorld, listeners):
    stages = [
        b"",
        b"GET /v0/cha",
        handshake()[:-2],
        handshake(),
        handshake() + text("a")[:3],
        handshake() + text("a"),
        request(target="/nosuch"),
        request("POST", "/nosuch", {"Content-Length": "100"}) + b"half",
    ]
    async with serving(listeners) as world:
        before = descriptors()
        for n in range(240):
            client = await connected(listeners)
            await client.send_all(stages[n % len(stages)])
            if n % 3 == 0:
                await client.receive_some() if n % len(stages) in (3, 6) else None
            if n % 2:
                reset(client)
            await client.aclose()
        await trio.testing.wait_all_tasks_blocked()
        await gone(world)
        assert world.front.statistics().accepted == 240
        assert descriptors() == before


@contextmanager
def few_descriptors(spare: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_running_out_of_descriptors_is_survived(serving: NewWorld, autojump_clock, listeners):
    async with serving(listeners) as world:
        waiting = [socket.socket() for _ in range(8)]
        with few_descriptors(2):
            for sock in waiting:
                sock.connect(("127.0.0.1", port_of(listeners)))
            await trio.testing.wait_all_tasks_blocked()
            assert world.front.statistics().connections < 8
        await trio.sleep(1)
        assert world.front.statistics().connections == 8
        for sock in waiting:
            sock.close()
        await gone(world)


async def test_a_unix_socket_is_made_replaced_and_removed(serving: NewWorld, tmp_path: Path):
    path = tmp_path / "sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    opened = await open_listeners([f"unix:{path}"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert url_of(opened[0], tls=False) == f"unix:{path}"
    with pytest.raises(AddressError, match="in use"):
        await open_listeners([f"unix:{path}"])
    async with serving(opened) as world:
        client = await trio.open_unix_socket(str(path))
        reader = await upgraded(client)
        await client.send_all(text("hi"))
        assert await reader.frame() == (1, b"hi")
        assert world.session.info.address == "unix"
        await client.aclose()
        await gone(world)
    assert not path.exists()


@pytest.mark.parametrize(
    "address", ["6060", "127.0.0.1:70000", "127.0.0.1:x", "::1:80", "unix:/no/such/folder/s"]
)
async def test_a_wrong_address_is_named(address: str):
    with pytest.raises(AddressError, match=address.replace("/", "/")):
        await open_listeners(["127.0.0.1:0", address])


async def test_a_file_is_not_taken_for_a_stale_socket(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AddressError):
        await open_listeners([f"unix:{tmp_path / 'file'}"])
    assert (tmp_path / "file").read_text() == "mine"


async def test_a_port_in_use_is_named(listeners):
    with pytest.raises(AddressError, match="in use") as raised:
        await open_listeners([f"127.0.0.1:{port_of(listeners)}"])
    assert isinstance(raised.value.__cause__, OSError)
    assert raised.value.__cause__.errno == errno.EADDRINUSE


async def test_what_clients_are_told(listeners):
    assert url_of(listeners[0], tls=False) == f"http://127.0.0.1:{port_of(listeners)}"
    assert url_of(listeners[0], tls=True).startswith("https://")


def issue(folder: Path, name: str) -> trustme.CA:
    """A new authority, and a certificate of its for `name` in the two files."""
    authority = trustme.CA()
    cert = authority.issue_cert(name)
    cert.private_key_pem.write_to_path(folder / "key.pem")
    (folder / "cert.pem").write_bytes(b"".join(pem.bytes() for pem in cert.cert_chain_pems))
    return authority


async def secured(
    listeners: list[trio.SocketListener], authority: trustme.CA
) -> trio.SSLStream[trio.SocketStream]:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    stream = trio.SSLStream(
        await connected(listeners), context, server_hostname="chat.example", https_compatible=True
    )
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def test_tls_and_a_new_certificate(serving: NewWorld, listeners, tmp_path: Path):
    old = issue(tmp_path, "chat.example")
    tls = TlsContext(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    async with serving(listeners, tls=tls) as world:
        client = await secured(listeners, old)
        await client.send_all(request(target="/nosuch") + handshake() + text("secret"))
        reader = Reader(client)
        assert (await reader.answer())[0] == 404
        assert (await reader.head())[0] == 101
        assert await reader.frame() == (1, b"secret")
        new = issue(tmp_path, "chat.example")
        tls.reload()
        with pytest.raises(trio.BrokenResourceError):
            await secured(listeners, old)
        second = await secured(listeners, new)
        others = await upgraded(second)
        await client.send_all(text("the old one goes on" * 5000))
        assert await reader.frame() == (1, b"the old one goes on" * 5000)
        (tmp_path / "cert.pem").write_text("rubbish")
        with pytest.raises(ssl.SSLError):
            tls.reload()
        await second.send_all(frame(8, b"\x03\xe8"))
        assert await others.frame() == (8, b"\x03\xe8")
        world.sessions[0].outlet.finish(1001)
        assert (await reader.frame())[0] == 8
        for stream in (client, second):
            await trio.aclose_forcefully(stream)
        await gone(world)


async def test_plain_bytes_on_a_tls_port_are_closed(serving: NewWorld, listeners, tmp_path: Path):
    issue(tmp_path, "chat.example")
    tls = TlsContext(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))
    async with serving(listeners, tls=tls) as world:
        client = await connected(listeners)
        await client.send_all(request())
        with trio.fail_after(30):
            await drained(client)
        await client.aclose()
        await gone(world)
