"""Uploads in an S3-compatible service: moto's, as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.s3 import s3_service
from tests.web.files import NOTE, TEXT, Site
from tinode_py.config import ConfigError
from tinode_py.media.s3 import connect
from tinode_py.settings.services import S3
from tinode_py.testing import running_server

pytestmark = pytest.mark.slow

BUCKET = "uploads"
NOBODY = "http://127.0.0.1:9"  # where nothing listens


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A service with one empty bucket."""
    with s3_service(BUCKET) as address:
        yield address


@pytest.fixture
def settings(endpoint, tmp_path) -> dict[str, Any]:
    keys = {"access_key": "a", "secret_key": "b", "region": "us-east-1"}
    s3 = {"endpoint": endpoint, "bucket": BUCKET, **keys}
    server = {"data": str(tmp_path / "data"), "store": ""}
    return {"server": server, "media": {"s3": s3}}


def having(settings, **changes):
    return {**settings, "media": {"s3": {**settings["media"]["s3"], **changes}}}


async def keys_in(endpoint) -> str:
    async with httpx.AsyncClient(base_url=endpoint) as client:
        return (await client.get(f"/{BUCKET}")).text


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_files_go_to_the_service_and_come_from_there(settings, endpoint, tmp_path):
    async with running_server(**settings) as server:
        site = Site(server, await server.user("alice"))
        sent = await site.upload(NOTE)
        moved = await site.get(sent.url)
        assert moved.status == 307
        assert moved.headers["cache-control"] == "no-store"
        async with httpx.AsyncClient() as client:
            got = await client.get(moved.headers["location"])
            assert got.content == TEXT
            assert got.headers["content-type"] == "text/plain; charset=utf-8"
            assert got.headers["content-disposition"] == "attachment"
            bare = moved.headers["location"].partition("?")[0]
            part = await client.get(moved.headers["location"], headers={"range": "bytes=0-9"})
            assert (part.status_code, part.content) == (206, TEXT[:10])
            assert bare.startswith(endpoint)
        assert not files_in(tmp_path / "data" / "transit")
        assert not files_in(tmp_path / "data" / "uploads")
        name = sent.url.rpartition("/")[2].partition(".")[0]
        await server.server.uploads.shelf.remove(name)
        await server.server.uploads.shelf.remove(name)
        assert bare.rpartition("/")[2] not in await keys_in(endpoint)


async def test_what_a_crash_left_is_taken_off(settings, endpoint, tmp_path):
    async with running_server(**settings) as server:
        uploads = server.server.uploads
        draft = uploads.transit.begin("AbCdEfGhIjA", 10)
        draft.add(b"left behind")
        received = await draft.finish()
        await uploads.transit.mark([draft.name])
        await uploads.shelf.place(draft.name, received.path, "text/plain")
        assert "<Key>" in await keys_in(endpoint)
    async with running_server(**settings):
        assert "<Key>" not in await keys_in(endpoint)
    assert not files_in(tmp_path / "data" / "transit")


def test_what_is_wrong_is_named_at_the_start(endpoint):
    keys = {"region": "us-east-1", "access_key": "a", "secret_key": "b"}
    with pytest.raises(ConfigError, match=r"media\.s3\.bucket: nothing-here"):
        connect(S3(endpoint, bucket="nothing-here", **keys))
    with pytest.raises(ConfigError, match=r"media\.s3\.endpoint: .*no address"):
        connect(S3("no address", bucket=BUCKET, **keys))
    with pytest.raises(ConfigError, match=r"media\.s3\.bucket"):
        connect(S3(endpoint, bucket="", **keys))


async def test_a_service_that_is_away_hinders_files_alone(settings, tmp_path):
    async with running_server(**having(settings, endpoint=NOBODY)) as server:
        alice = await server.user("alice")
        site = Site(server, alice)
        assert (await site.upload(NOTE, ("id", "1"))).told == (500, "internal error")
        await alice.sub("me")
        assert not list((tmp_path / "data" / "transit").glob("*.part"))
