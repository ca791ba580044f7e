"""Files that are in the folder of another node."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing

from tests.cluster.parts import Machines, nodes
from tests.web.files import Site
from tests.web.parts import Reader, request
from tinode_py.changes import Batch, PutUpload
from tinode_py.errors import Refused
from tinode_py.live.lending import AT_ONCE, PIECE, Lending
from tinode_py.live.uploads import Uploads
from tinode_py.queries import UploadById
from tinode_py.records import Upload

LONG = bytes(range(256)) * 1024  # four pieces
LONGER = LONG * 4  # 1 MB
DAY = 86_400  # seconds


def slow_stream(site: Site) -> trio.abc.Stream:
    """A connection that takes bytes only as they are read."""
    mine, theirs = trio.testing.lockstep_stream_pair()
    site.server.server.front.adopt(theirs)
    return mine


@contextlib.asynccontextmanager
async def two(**settings: Any) -> AsyncIterator[tuple[Machines, Site, Site]]:
    """Two nodes, each with a folder of its own, and one user who is logged in at both."""
    async with nodes("a", "b", **settings) as (machines, (a, b)):
        yield machines, Site(a, await a.user("alice")), Site(b, await b.user("alice"))


def lending_of(site: Site) -> Lending:
    found = site.server.server.uploads.lending
    assert found is not None
    return found


async def url_of(site: Site, data: bytes) -> str:
    return (await site.upload(("file", "long.bin", "application/x-long", data))).url


async def test_a_file_is_fetched_from_the_node_that_has_it(autojump_clock):
    async with two() as (_, here, there):
        url = await url_of(here, LONG)
        near, far = await here.get(url), await there.get(url)
        assert (far.status, far.body) == (200, LONG)
        differing = {name for name in near.headers if near.headers[name] != far.headers.get(name)}
        assert differing <= {"date"}
        head = await there.ask("HEAD", url)
        assert (head.status, head.headers["content-length"]) == (200, str(len(LONG)))
        assert (await there.get(url, If_None_Match=far.headers["etag"])).status == 304
        assert (await there.get("/v0/file/s/AAAAAAAAAAA")).status == 404
        assert lending_of(there).fetching == 0


async def test_a_file_without_bytes_is_fetched(autojump_clock):
    async with two() as (machines, here, there):
        upload = Upload("AAAAAAAAAAA", "", 0, 0, "text/plain", "x" * 26)
        path = lending_of(here).folder.path(upload.id)
        path.parent.mkdir(parents=True)
        path.touch()
        machines.store.write(Batch((PutUpload(upload, "somebody", 0, 0),)))
        for method in ("GET", "HEAD"):
            got = await there.ask(method, "/v0/file/s/AAAAAAAAAAA")
            assert (got.status, got.body) == (200, b"")
        assert lending_of(there).fetching == 0


@pytest.mark.parametrize(
    ("asked", "first", "end"),
    [
        ("bytes=0-9", 0, 10),
        (f"bytes={PIECE - 1}-{PIECE}", PIECE - 1, PIECE + 1),
        ("bytes=200000-", 200_000, len(LONG)),
        ("bytes=-5", len(LONG) - 5, len(LONG)),
        (f"bytes=-{len(LONG) + 1}", 0, len(LONG)),
        (f"bytes=7-{len(LONG) + 99}", 7, len(LONG)),
    ],
)
async def test_ranges_are_fetched(autojump_clock, asked, first, end):
    async with two() as (_, here, there):
        url = await url_of(here, LONG)
        near, far = await here.get(url, Range=asked), await there.get(url, Range=asked)
        assert (far.status, far.body) == (206, LONG[first:end])
        for name in ("content-range", "content-length", "content-type", "etag"):
            assert far.headers[name] == near.headers[name]


async def test_ranges_that_are_not_served_in_part(autojump_clock):
    async with two() as (_, here, there):
        url = await url_of(here, LONG)
        for headers in ({"Range": "bytes=0-1,5-6"}, {"Range": "bytes=0-1", "If_Range": '"other"'}):
            got = await there.get(url, **headers)
            assert (got.status, got.body) == (200, LONG)
        assert (await there.get(url, Range=f"bytes={len(LONG)}-")).status == 416


async def test_a_node_that_cannot_be_reached_is_told_of(autojump_clock):
    async with two() as (machines, here, there):
        url = await url_of(here, LONG)
        machines.network.block(machines.number("a"), machines.number("b"))
        await trio.sleep(0.1)
        got = await there.get(url)
        assert got.told == (503, "service unavailable")
        assert got.ctrl["params"] == {"reason": "no node that can be reached has this file"}
        machines.network.free(machines.number("a"), machines.number("b"))
        await trio.sleep(1)
        assert (await there.get(url)).body == LONG


async def test_a_client_that_does_not_read_stops_the_pieces(autojump_clock):
    async with two() as (_, here, there):
        url = await url_of(here, LONGER)
        async with slow_stream(there) as stream:
            await stream.send_all(request("GET", url, there.auth))
            reader = Reader(stream)
            status, headers = await reader.head()
            assert (status, headers["content-length"]) == (200, str(len(LONGER)))
            await trio.sleep(1)
            assert 0 < lending_of(there).handed <= 3 * PIECE
            assert lending_of(there).fetching == 1
            assert await reader.take(len(LONGER)) == LONGER
        await trio.sleep(0.1)
        assert lending_of(there).fetching == 0


async def test_a_client_that_goes_half_way_leaves_nothing(autojump_clock):
    async with two() as (_, here, there):
        url = await url_of(here, LONGER)
        async with slow_stream(there) as stream:
            await stream.send_all(request("GET", url, there.auth))
            await Reader(stream).head()
        await trio.sleep(1)
        assert lending_of(there).fetching == 0
        assert lending_of(there).handed < len(LONGER)


async def test_a_node_that_is_lost_half_way_breaks_the_connection(autojump_clock):
    async with two() as (machines, here, there):
        url = await url_of(here, LONGER)
        async with slow_stream(there) as stream:
            await stream.send_all(request("GET", url, there.auth))
            await Reader(stream).head()
            machines.network.block(machines.number("a"), machines.number("b"))
            got = b""
            with contextlib.suppress(trio.BrokenResourceError):
                while data := await stream.receive_some():
                    got += data
            assert len(got) < len(LONGER)
        assert lending_of(there).fetching == 0


async def test_too_many_at_once_are_refused(autojump_clock):
    async with two() as (_, here, there):
        url = await url_of(here, LONG)
        lending_of(there).fetching = AT_ONCE
        assert (await there.get(url)).told == (503, "service unavailable")
        assert (await there.ask("HEAD", url)).status == 200
        lending_of(there).fetching = 0
        assert (await there.get(url)).status == 200


async def test_a_peer_that_answers_nonsense(autojump_clock):
    async with two() as (_, here, there):
        url = await url_of(here, LONG)
        ask = there.server.server.uploads.lending.companions.ask
        node = there.server.server.uploads.lending.companions.nodes()[0]
        for arguments in ({"upload": "../../etc/passwd", "first": 0}, {"upload": 5, "first": 0}):
            with pytest.raises(Refused):
                await ask(node, "piece", **arguments)
        name = url.rpartition("/")[2][:11]
        assert await ask(node, "piece", upload=name, first=10**9) == b""
        assert await ask(node, "has_file", upload="../..") is False
        for answer in ("text", b"", bytes(PIECE + 1), None):

            async def lie(answer: object = answer) -> object:
                return answer

            here.server.server.uploads.lending.companions.answerers["piece"] = (
                lambda upload, first, lie=lie: lie()
            )
            assert (await there.get(url)).told == (502, "cluster unreachable")


def collecting(site: Site, after: int) -> Uploads:
    """The uploads of a node whose clock is so many seconds ahead."""
    uploads = site.server.server.uploads
    now = uploads.now
    uploads.now = lambda: now() + 1000 * after
    return uploads


async def test_each_node_lets_go_of_what_it_has(autojump_clock):
    async with two(media={"collect_after": 3600}) as (machines, here, there):
        urls = [await url_of(here, b"one"), await url_of(there, b"two")]
        names = [url.rpartition("/")[2][:11] for url in urls]
        await there.server.server.uploads.collect()
        assert None not in [await machines.store.fetch(UploadById(name)) for name in names]
        await collecting(there, 3700).collect()
        known = [await machines.store.fetch(UploadById(name)) for name in names]
        assert (known[0] is not None, known[1]) == (True, None)
        assert not await lending_of(there).folder.has(names[1])
        assert (await there.get(urls[0])).body == b"one"
        await collecting(here, 3700).collect()
        assert await machines.store.fetch(UploadById(names[0])) is None
        assert not await lending_of(here).folder.has(names[0])


async def test_more_loose_files_of_others_than_fit_a_page(autojump_clock, monkeypatch):
    monkeypatch.setattr("tinode_py.live.uploads.PAGE", 1)
    async with two(media={"collect_after": 3600}) as (machines, here, there):
        urls = [await url_of(site, b"it") for site in (here, here, here, there, there)]
        names = [url.rpartition("/")[2][:11] for url in urls]
        await collecting(there, 3700).collect()
        assert [n for n in names if await machines.store.fetch(UploadById(n))] == names[:3]
        await collecting(there, 30 * DAY).collect()
        assert not [n for n in names if await machines.store.fetch(UploadById(n))]
