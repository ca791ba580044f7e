"""Links over real sockets, plain and with TLS."""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trustme

from tests.cluster.nodes import SECRET, Heard
from tinode_py.cluster.link import Links
from tinode_py.cluster.protocol import Call, Fan, Message, News, Result
from tinode_py.cluster.reach import Reach, advertised, is_refusal
from tinode_py.live.sockets import reset
from tinode_py.settings.cluster import Cluster, ClusterTls
from tinode_py.store.coordination import Member

DEADLINE = 30.0


@attrs.define
class Telling(Heard):
    """A handler that can be waited for."""

    stuck: bool = False
    _changed: trio.Event = attrs.field(factory=trio.Event)

    def _tell(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def connected(self, peer: object) -> None:
        super().connected(peer)  # type: ignore[arg-type]
        self._tell()

    async def received(self, peer: object, message: Message) -> None:
        self.told.append(("received", message))
        self._tell()
        if self.stuck:
            await trio.sleep_forever()

    def lost(self, peer: object) -> None:
        super().lost(peer)  # type: ignore[arg-type]
        self._tell()

    async def wait(self, word: str, count: int = 1) -> list[object]:
        """Until so many of these were said."""
        with trio.fail_after(DEADLINE):
            while len(self.words(word)) < count:
                await self._changed.wait()
        return self.words(word)


@attrs.define
class World:
    """Node 1 connects to node 2, through `reached`; `taken` are the streams that node 2 got."""

    first: Links
    second: Links
    heard: Telling
    heard_there: Telling
    taken: list[trio.SocketStream]
    attempts: trio.MemoryReceiveChannel[None]


@asynccontextmanager
async def linked(near: ClusterTls, far: ClusterTls, address: str = "") -> AsyncIterator[World]:
    one, two = Telling(), Telling()
    chance = random.Random(1).randbytes
    reach, reach_there = Reach(near), Reach(far)
    first = Links(1, SECRET, reach.connect, one, random_bytes=chance, lease=DEADLINE)
    second = Links(2, SECRET, reach_there.connect, two, random_bytes=chance, lease=DEADLINE)
    tell, attempts = trio.open_memory_channel[None](1000)
    world = World(first, second, one, two, [], attempts)

    async def take(stream: trio.SocketStream) -> None:
        world.taken.append(stream)
        tell.send_nowait(None)
        await second.accept(reach_there.take(stream))

    async with trio.open_nursery() as nursery:
        if not address:
            listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
            address = f"127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        else:
            sock = trio.socket.socket(trio.socket.AF_UNIX)
            await sock.bind(address.removeprefix("unix:"))
            sock.listen()
            listeners = [trio.SocketListener(sock)]
        nursery.start_soon(trio.serve_listeners, take, listeners)
        members = [Member(1, "one", "nowhere:1", ""), Member(2, "two", address, "")]
        for links in (first, second):
            links.members(members)
            nursery.start_soon(links.run)
        yield world
        nursery.cancel_scope.cancel()


def issue(authority: trustme.CA, folder: Path, name: str) -> ClusterTls:
    cert = authority.issue_cert(name)
    cert.private_key_pem.write_to_path(folder / f"{name}.key")
    (folder / f"{name}.cert").write_bytes(b"".join(p.bytes() for p in cert.cert_chain_pems))
    authority.cert_pem.write_to_path(folder / f"{name}.ca")
    return ClusterTls(**{kind: str(folder / f"{name}.{kind}") for kind in ("cert", "key", "ca")})


async def exchange(world: World) -> None:
    await world.heard.wait("connected")
    await world.heard_there.wait("connected")
    chance = random.Random(2)
    there: list[Message] = [Call(n, "name", {"n": n}) for n in range(300)]
    back: list[Message] = [Fan("grpA", n, chance.randbytes(n * 50)) for n in range(300)]
    for question, answer in zip(there, back, strict=True):
        assert world.first.peers[2].send(question)
        assert world.second.peers[1].send(answer)
    assert await world.heard_there.wait("received", 300) == there
    assert await world.heard.wait("received", 300) == back


async def test_messages_over_tcp() -> None:
    async with linked(ClusterTls(), ClusterTls()) as world:
        await exchange(world)


async def test_messages_over_a_unix_socket(tmp_path: Path) -> None:
    async with linked(ClusterTls(), ClusterTls(), f"unix:{tmp_path}/n") as world:
        await exchange(world)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ClusterTls]:
    folder = tmp_path_factory.mktemp("certificates")
    ours, theirs = trustme.CA(), trustme.CA()
    strange = issue(theirs, folder, "strange.example")
    one = issue(ours, folder, "one.example")
    return {
        "one": one,
        "two": issue(ours, folder, "two.example"),
        "plain": ClusterTls(),
        "strange": attrs.evolve(strange, ca=one.ca),  # trusts ours, is not trusted
        "deceived": attrs.evolve(one, ca=strange.ca),  # trusts others
    }


async def test_messages_over_tls(certificates: dict[str, ClusterTls]) -> None:
    async with linked(certificates["one"], certificates["two"]) as world:
        await exchange(world)


@pytest.mark.parametrize(
    ("near", "far"),
    [
        *(("plain", "two"), ("one", "plain"), ("strange", "two"), ("one", "strange")),
        *(("deceived", "two"), ("one", "deceived")),
    ],
)
async def test_a_side_that_has_no_certificate_of_ours(
    certificates: dict[str, ClusterTls],
    near: str,
    far: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with linked(certificates[near], certificates[far]) as world:
        with trio.fail_after(DEADLINE):
            for _ in range(2):  # it tries again
                await world.attempts.receive()
        assert "no link to node 2 (two, 127.0.0.1:" in caplog.text
        assert world.heard.told == world.heard_there.told == []


def test_files_that_cannot_be_used(tmp_path: Path, certificates: dict[str, ClusterTls]) -> None:
    with pytest.raises(OSError, match="No such file"):
        Reach(ClusterTls(cert=str(tmp_path / "nosuch"), key="nosuch", ca="nosuch"))
    one = certificates["one"]
    reach = Reach(one)
    reach._files = attrs.evolve(one, key=certificates["two"].key)
    with pytest.raises(ssl.SSLError, match="MISMATCH"):
        reach.reload()
    assert reach._near is not None


async def test_a_connection_that_is_reset_is_made_again() -> None:
    async with linked(ClusterTls(), ClusterTls()) as world:
        await world.heard_there.wait("connected")
        reset(world.taken[0])
        await world.heard.wait("lost")
        await world.heard_there.wait("lost")
        await world.heard.wait("connected", 2)
        await world.heard_there.wait("connected", 2)
        assert world.first.peers[2].send(Result(1))
        assert await world.heard_there.wait("received") == [Result(1)]


async def test_a_peer_that_reads_nothing_fills_the_queue() -> None:
    async with linked(ClusterTls(), ClusterTls()) as world:
        await world.heard.wait("connected")
        world.heard_there.stuck = True
        peer, message = world.first.peers[2], Fan("grpA", 1, bytes(1_000_000))
        sent = 0
        with trio.fail_after(DEADLINE):
            while peer.send(message):
                sent += 1
                await trio.lowlevel.checkpoint()
        assert 16 <= sent < 100  # what waits here, and what the system holds
        assert peer.queued <= 16_777_216 + 4 * sent + 4
        assert not peer.send(message)
        peer.reset("more waits than may")
        await world.heard.wait("connected", 2)
        assert world.first.peers[2].send(News())


async def test_an_address_where_nobody_is() -> None:
    with pytest.raises(OSError):  # noqa: PT011
        await Reach(ClusterTls()).connect("127.0.0.1:1")
    with pytest.raises(OSError):  # noqa: PT011
        await Reach(ClusterTls()).connect("[::1]:1")
    with pytest.raises(OSError):  # noqa: PT011
        await Reach(ClusterTls()).connect("unix:/nowhere")


@pytest.mark.parametrize(
    ("listen", "advertise", "address"),
    [
        ("10.0.0.1:0", "", "10.0.0.1:40000"),
        ("[::1]:0", "", "[::1]:40000"),
        ("0.0.0.0:0", "b.example:7070", "b.example:7070"),
    ],
)
def test_where_others_reach_a_node(listen: str, advertise: str, address: str) -> None:
    assert advertised(Cluster(listen=listen, advertise=advertise), ("127.0.0.1", 40000)) == address


async def test_an_address_at_which_nobody_listens(tmp_path: Path) -> None:
    reach = Reach(ClusterTls())
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await (await reach.connect(f"127.0.0.1:{port}")).aclose()
    await listener.aclose()
    with pytest.raises(OSError, match="attempts to connect") as refused:
        await reach.connect(f"127.0.0.1:{port}")
    assert is_refusal(refused.value)
    with pytest.raises(OSError, match="No such file") as nowhere:
        await reach.connect(f"unix:{tmp_path}/nothing")
    for error in (nowhere.value, OSError("no route to host"), TimeoutError()):
        assert not is_refusal(error)
    several = OSError("all attempts failed")
    several.__cause__ = ExceptionGroup("", [ConnectionRefusedError(), TimeoutError()])
    assert not is_refusal(several)
