"""The store of another node as settings name it: addresses, secrets, sockets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from trio.testing import MockClock as Clock

from tests.cluster.test_reach import issue
from tests.store.made import ANN, people, user
from tinode_py.cluster.reach import Reach, listening_at
from tinode_py.cluster.remote.opening import (
    Stopwatch,
    opened,
    owner_of,
    shared_by,
    wait_for_leavers,
)
from tinode_py.cluster.secret import FILE, cluster_secret
from tinode_py.config import ConfigError, Settings, database, is_lasting, remote
from tinode_py.errors import StoreError
from tinode_py.queries import UserById
from tinode_py.settings.cluster import ClusterTls
from tinode_py.store.coordination import MemoryCoordination
from tinode_py.store.sqlite import open_owned


def settings_of(data: Path, **cluster: Any) -> Settings:
    return Settings.of(server={"data": str(data), **cluster.pop("server", {})}, cluster=cluster)


@pytest.mark.parametrize(
    ("store", "address"),
    [
        ("peer://db.example:7061", "db.example:7061"),
        ("peer://[::1]:7061", "[::1]:7061"),
        ("peer+unix:/run/tinode/link", "unix:/run/tinode/link"),
        ("sqlite:///x.db", None),
        ("", None),
    ],
)
def test_addresses_of_stores(store: str, address: str | None) -> None:
    settings = Settings.of(server={"store": store})
    assert remote(settings) == address
    if address:
        assert is_lasting(settings)
        with pytest.raises(ConfigError, match="run this there, on its data folder"):
            database(settings)


@pytest.mark.parametrize(
    "store", ["peer:", "peer://", "peer://host", "peer://:1", "peer://h:70000", "peer+unix:"]
)
def test_addresses_that_are_none(store: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.store: wants peer://host:port or peer\+unix:"):
        remote(Settings.of(server={"store": store}))


def test_nothing_that_is_kept_nowhere_is_shared() -> None:
    with pytest.raises(ConfigError, match=r"cluster\.listen: wants a server\.store that nodes"):
        Settings.of(server={"store": "memory:"}, cluster={"listen": "127.0.0.1:0"})


def test_the_secret_is_made_once_and_read(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with pytest.raises(ConfigError, match=r"cluster\.secret: is wanted: that of the node that has"):
        cluster_secret(settings, os.urandom, make=False)
    made = cluster_secret(settings, os.urandom, make=True)
    assert len(made) == 64
    path = tmp_path / FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert cluster_secret(settings, os.urandom, make=True) == made
    other = tmp_path / "other"
    other.mkdir()
    (other / FILE).write_bytes(path.read_bytes())
    (other / FILE).chmod(0o644)
    assert cluster_secret(settings_of(other), os.urandom, make=False) == made
    assert (other / FILE).stat().st_mode & 0o777 == 0o600


def test_the_secret_of_the_settings(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, secret="sixteen letters.")
    assert cluster_secret(settings, os.urandom, make=True) == b"sixteen letters."
    assert not (tmp_path / FILE).exists()
    assert "sixteen" not in repr(settings)
    with pytest.raises(ConfigError, match="wants 16 characters at least") as caught:
        cluster_secret(settings_of(tmp_path, secret="short"), os.urandom, make=True)
    assert "short" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\n", b"abc", b"\xff" * 40])
def test_a_secret_that_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE).write_bytes(data)
    with pytest.raises(ConfigError, match=r"cluster\.secret: "):
        cluster_secret(settings_of(tmp_path), os.urandom, make=True)


async def test_over_a_unix_socket(tmp_path: Path) -> None:
    """As the workers of one machine do, who share the folder and so the secret."""
    socket = tmp_path / "link"
    store = {"store": f"peer+unix:{socket}"}
    mine, theirs = settings_of(tmp_path), settings_of(tmp_path, server=store, listen="unix:/x")
    async with open_owned(tmp_path / "t.db") as owned, trio.open_nursery() as nursery:
        shared = shared_by(owned, 5.0)
        owned.serve_as(await shared.join("a", "a:1", ""))
        await people(owned)
        owner = owner_of(owned, shared, mine, os.urandom)
        await nursery.start(owner.run)

        async def accept(stream: trio.SocketStream) -> None:
            await owner.accept(stream, trio.aclose_forcefully)

        nursery.start_soon(trio.serve_listeners, accept, [listening_at(socket)])
        async with opened(theirs, Reach(theirs.cluster.tls), os.urandom) as found:
            assert await found.fetch(UserById(ANN)) == user(ANN)
            assert await found.join("b", "b:1", "") == 2
        nursery.cancel_scope.cancel()


async def test_what_settings_lack(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, server={"store": "peer://127.0.0.1:1"})
    with pytest.raises(ConfigError, match=r"cluster\.listen: is wanted: with the store of anothe"):
        async with opened(settings, Reach(settings.cluster.tls), os.urandom):
            pass


async def test_nobody_is_there(tmp_path: Path, autojump_clock: Clock) -> None:
    server = {"store": f"peer+unix:{tmp_path}/nothing"}
    settings = settings_of(tmp_path, server=server, listen="unix:/x", secret="x" * 16)
    with pytest.raises(StoreError, match=r"peer\+unix:.*/nothing: .*No such file"):
        async with opened(settings, Reach(settings.cluster.tls), os.urandom):
            pass


def test_nobody_is_silent_while_this_process_stands_still() -> None:
    seconds = [100.0]
    watch = Stopwatch(lambda: seconds[0], 1.25)
    assert watch() == 0
    for step, shown in ((0.5, 0.5), (1.0, 1.5), (60.0, 2.75), (0.25, 3.0)):
        seconds[0] += step
        assert watch() == shown


async def test_the_owner_waits_for_those_who_stop_at_the_same_time(autojump_clock: Clock) -> None:
    shared = MemoryCoordination(trio.current_time)
    own = await shared.join("a", "a:1", "")
    began = trio.current_time()
    await wait_for_leavers(shared, own, 5.0, 60.0)
    assert trio.current_time() == began, "there is nobody else"
    other = await shared.join("b", "b:1", "")
    await wait_for_leavers(shared, own, 5.0, 60.0)
    assert trio.current_time() - began == 1.0, "he does not stop"

    async def leaving() -> None:
        await trio.sleep(0.5)
        await shared.beat(other, load=0, draining=True)
        await trio.sleep(10)
        await shared.leave(other)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leaving)
        await wait_for_leavers(shared, own, 5.0, 60.0)
        assert 10.5 <= trio.current_time() - began < 11.5
    other = await shared.join("b", "b:1", "")
    await shared.beat(other, load=0, draining=True)
    began = trio.current_time()
    await wait_for_leavers(shared, own, 5.0, 7.0)
    assert trio.current_time() - began == 7.0, "not for ever"


@pytest.mark.parametrize("stranger", [False, True])
async def test_over_tls(tmp_path: Path, stranger: bool) -> None:
    """With a certificate on both sides; the secret alone opens nothing then."""
    ours, theirs = trustme.CA(), trustme.CA()
    tls = issue(ours, tmp_path, "near")
    other = issue(theirs if stranger else ours, tmp_path, "far")
    async with open_owned(tmp_path / "t.db") as owned, trio.open_nursery() as nursery:
        shared = shared_by(owned, 5.0)
        owned.serve_as(await shared.join("a", "a:1", ""))
        await people(owned)
        owner = owner_of(owned, shared, settings_of(tmp_path), os.urandom)
        await nursery.start(owner.run)
        reach = Reach(tls)

        async def accept(stream: trio.SocketStream) -> None:
            await owner.accept(reach.take(stream), trio.aclose_forcefully)

        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, accept, listeners)
        port = listeners[0].socket.getsockname()[1]
        mine = settings_of(tmp_path, server={"store": f"peer://127.0.0.1:{port}"}, listen="unix:/x")
        if stranger:
            with pytest.raises(StoreError):
                await _asked(mine, other, patience=0.0)
        else:
            assert await _asked(mine, other, patience=10.0) == user(ANN)
        nursery.cancel_scope.cancel()


async def _asked(settings: Settings, tls: ClusterTls, patience: float) -> object:
    async with opened(settings, Reach(tls), os.urandom, patience) as found:
        return await found.fetch(UserById(ANN))
