"""Certificates of nodes that were renewed, and SIGHUP."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio
import trustme

from tests.cluster.test_reach import DEADLINE, issue
from tinode_py.cluster.cluster import Cluster
from tinode_py.cluster.reach import Reach
from tinode_py.config import Settings
from tinode_py.hangup import watch
from tinode_py.server import running
from tinode_py.settings.cluster import ClusterTls


async def is_met(address: str, files: ClusterTls) -> bool:
    """Whether a node with these files gets a connection."""
    stream = await Reach(files).connect(address)
    assert isinstance(stream, trio.SSLStream)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError:
        return False
    finally:
        await trio.aclose_forcefully(stream)
    return True


def spoil(file: str) -> None:
    Path(file).write_text("rubbish")


async def said(caplog: pytest.LogCaptureFixture, text: str) -> None:
    with trio.fail_after(DEADLINE):
        while text not in caplog.text:  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_sighup_reads_the_certificates_of_nodes_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    (tmp_path / "new").mkdir()
    first, second = trustme.CA(), trustme.CA()
    former, renewed = issue(first, tmp_path, "node"), issue(second, tmp_path / "new", "other")
    tls = {"cert": former.cert, "key": former.key, "ca": former.ca}
    settings = Settings.of(
        server={"listen": ["127.0.0.1:0"], "data": str(tmp_path / "data")},
        cluster={"listen": "127.0.0.1:0", "tls": tls},
    )
    async with running(settings) as server, trio.open_nursery() as nursery:
        assert isinstance(server.companions, Cluster)
        address = server.companions.place.address
        await nursery.start(watch, server.certificates, server.standing, None)
        assert await is_met(address, former)
        assert not await is_met(address, renewed)
        issue(second, tmp_path, "node")
        os.kill(os.getpid(), signal.SIGHUP)
        await said(caplog, "the TLS files were read again (cluster.tls)")
        assert await is_met(address, renewed)
        spoil(former.cert)
        os.kill(os.getpid(), signal.SIGHUP)
        await said(caplog, "the TLS files cannot be used, the old ones stay (cluster.tls)")
        assert await is_met(address, renewed)
        nursery.cancel_scope.cancel()
