"""Uploading: which forms there are, what is too much, what is left on the disk."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trio

from tests.web.files import (
    BOUNDARY,
    MALFORMED,
    MULTIPART,
    NO_KEY,
    NOTE,
    PNG,
    REQUIRED,
    TEXT,
    UP,
    WITH_KEY,
    Site,
    b64,
    exchange,
    form,
    opened,
)
from tests.web.parts import request
from tinode_py.testing import running_server

Open = Callable[..., AbstractAsyncContextManager[Site]]
TOO_LARGE = (413, "too large")


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def files_in(folder):
    return [path for part in ("transit", "uploads") for path in (folder / part).rglob("*.*")] + [
        path for path in (folder / "uploads").rglob("*") if path.is_file()
    ]


# --- the plain case ----------------------------------------------------------------------


async def test_an_upload_comes_back_byte_by_byte(site):
    answer = await site.upload(NOTE, ("id", "123"), ("topic", "me"))
    assert answer.ctrl["id"] == "123"
    assert answer.ctrl["text"] == "ok"
    assert answer.ctrl["params"]["expires"].endswith("Z")
    assert answer.url.startswith("/v0/file/s/")
    assert answer.url.endswith(".txt")
    assert (await site.get(answer.url)).body == TEXT


@pytest.mark.parametrize(
    "parts",
    [
        (("id", "1"), NOTE),
        (NOTE, ("other", "thing"), ("id", "1"), ("id", "2")),
        (("file", "plain value"), ("id", "1"), NOTE),
        (("id", "1"), NOTE, ("file", "second.txt", "text/plain", b"second")),
        (("id", "1"), ("file", "../../evil.txt", "text/plain", TEXT)),
        (("id", "1"), ("file", "ünï \u2603.txt", "text/plain", TEXT)),
        (("id", "1"), ("file", "none", None, TEXT)),
        (("id", "1"), ("data", "other.txt", "text/plain", b"other"), NOTE),
    ],
)
async def test_forms_of_all_shapes(site, parts):
    answer = await site.upload(*parts)
    assert answer.ctrl["id"] == "1"
    assert (await site.get(answer.url)).body == TEXT


async def test_put_and_chunks_will_do(site):
    assert (await site.upload(NOTE, method="PUT")).status == 200
    answer = await site.upload(("file", "a", None, TEXT * 100), chunked=True)
    assert (await site.get(answer.url)).body == TEXT * 100


async def test_bytes_that_look_like_boundaries_are_only_bytes(site):
    odd = b"\r\n--" + BOUNDARY[:-1].encode() + b"\r\n--\r\n\r\n" * 3 + bytes(range(256)) * 300
    answer = await site.upload(("file", "odd", "application/x-odd", odd))
    assert (await site.get(answer.url)).body == odd


async def test_an_empty_file_is_none(site):
    answer = await site.upload(("file", "empty", "text/plain", b""), ("id", "127"))
    assert (answer.told, answer.ctrl["id"]) == (MALFORMED, "127")


async def test_an_id_may_stand_in_the_query(site):
    assert (await site.upload(NOTE, path=UP + "?id=130")).ctrl["id"] == "130"
    assert (await site.upload(NOTE, ("id", "1"), path=UP + "?id=130")).ctrl["id"] == "1"


async def test_a_virtual_clock_stands_still_meanwhile(autojump_clock, site):
    before = trio.current_time()
    assert (await site.upload(("file", "big", None, bytes(3_000_000)))).status == 200
    assert trio.current_time() - before < 1


# --- no form -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "ident"),
    [
        ((("file", None, "text/plain", TEXT),), None),
        ((("file", "", "text/plain", TEXT),), None),
        ((("data", "note.txt", "text/plain", TEXT), ("id", "125")), "125"),
        ((("id", "126"),), "126"),
        ((), None),
    ],
)
async def test_a_form_without_a_file_is_malformed(site, parts, ident):
    answer = await site.upload(*parts)
    assert answer.told == MALFORMED
    assert answer.ctrl.get("id") == ident


@pytest.mark.parametrize(
    ("kind", "body", "ident"),
    [
        ("multipart/form-data", TEXT, None),
        ("multipart/form-data; boundary=" + "x" * 5000, TEXT, None),
        (MULTIPART["Content-Type"], b"rubbish", None),
        (MULTIPART["Content-Type"], b"--" + BOUNDARY.encode() + b"\r\n: x\r\n\r\n", None),
        (MULTIPART["Content-Type"], form(NOTE, ("id", "7"), end=False), "7"),
        ("application/json", b"{}", None),
        ("application/x-www-form-urlencoded", b"id=128&file=x", "128"),
        ("application/x-www-form-urlencoded", b"&".join([b"a=b"] * 1000), None),
        ("application/x-www-form-urlencoded", b"a" * 100_000, None),
        ("text/plain", TEXT, None),
        ("", TEXT, None),
    ],
)
async def test_what_is_no_whole_form_is_malformed(site, kind, body, ident):
    answer = await site.ask("POST", UP, {**site.auth, "Content-Type": kind}, body)
    assert answer.told == MALFORMED
    assert answer.ctrl.get("id") in (ident, None)


@pytest.mark.parametrize(
    "parts",
    [
        [("field", "x" * 20_000), NOTE],
        [(f"field{n}", "x") for n in range(100)] + [NOTE],
        [("f" * 20_000, "x"), NOTE],
    ],
)
async def test_fields_have_bounds(site, parts):
    assert (await site.upload(*parts)).told == MALFORMED


# --- too much ----------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True])
async def test_the_bound_is_that_of_the_whole_body(chunked):
    frame = len(form(("file", "big", None, b"")))
    async with opened(limits={"file_size": 100_000}) as site:
        for more, told in ((0, 200), (1, 413), (900_000, 413)):
            big = ("file", "big", None, bytes(100_000 - frame + more))
            answer = await site.upload(big, chunked=chunked)
            assert answer.status == told
            if told == 413:
                assert answer.told == TOO_LARGE
                assert answer.headers["connection"] == "close"
        nobody = await site.upload(big, headers=WITH_KEY, chunked=chunked)
        assert nobody.told == REQUIRED
        stranger = await site.upload(big, headers={}, chunked=chunked)
        assert stranger.told == NO_KEY
        newcomer = UP + "?topic=newacc"
        answer = await site.upload(big, headers=WITH_KEY, chunked=chunked, path=newcomer)
        assert answer.told == TOO_LARGE


async def test_a_length_that_is_a_lie_costs_nothing(site):
    head = {**site.auth, **MULTIPART, "Content-Length": str(10**15)}
    async with site.server.stream() as stream:
        answer = await exchange(stream, request("POST", UP, head) + b"x")
    assert answer.told == TOO_LARGE


async def test_a_day_has_its_bound():
    async with opened(limits={"upload_per_day": 1000}) as site:
        assert (await site.upload(NOTE)).status == 200
        for _ in range(2):
            answer = await site.upload(NOTE, ("id", "5"))
            assert answer.told == (422, "policy violation")
            assert answer.ctrl["params"] == {"what": "upload_per_day"}
            assert answer.ctrl["id"] == "5"


async def test_uploads_at_a_time_have_their_bound():
    async with opened(limits={"uploads": 1}) as site:
        body = form(NOTE)
        head = {**site.auth, **MULTIPART, "Content-Length": str(len(body))}
        async with site.server.stream() as slow:
            await slow.send_all(request("POST", UP, head) + body[:500])
            answer = None
            while answer is None or answer.status == 200:
                answer = await site.upload(NOTE)
            assert answer.told == (503, "service unavailable")
            assert (await exchange(slow, body[500:])).status == 200
        assert (await site.upload(NOTE)).status == 200


async def test_who_is_too_slow_is_told_so():
    async with opened(limits={"upload_time": 1.0}) as site:
        body = form(NOTE)
        head = {**site.auth, **MULTIPART, "Content-Length": str(len(body))}
        async with site.server.stream() as slow:
            answer = await exchange(slow, request("POST", UP, head) + body[:500])
        assert answer.told == (408, "too slow")


# --- what is left on the disk ------------------------------------------------------------


async def test_clients_that_vanish_leave_nothing(data):
    stored = {"data": str(data), "store": ""}
    async with opened(server=stored) as site:
        body = form(("file", "big", None, bytes(1_000_000)))
        head = {**site.auth, **MULTIPART, "Content-Length": str(len(body))}
        for cut in (0, 10, 500_000, len(body) - 1):
            async with site.server.stream() as stream:
                await stream.send_all(request("POST", UP, head) + body[:cut])
        with trio.fail_after(30):
            while site.server.server.front.statistics().connections > 1:
                await trio.lowlevel.checkpoint()
        assert files_in(data) == []


@pytest.mark.parametrize(
    ("headers", "parts"),
    [
        (WITH_KEY, (NOTE,)),
        ({**WITH_KEY, "X-Tinode-Auth": "Token " + b64("x" * 50)}, (NOTE, ("topic", "newacc"))),
        ({}, (NOTE,)),
    ],
)
async def test_who_is_refused_leaves_nothing(data, headers, parts):
    async with opened(server={"data": str(data), "store": ""}) as site:
        assert (await site.upload(*parts, headers=headers)).status in (401, 403)
        assert files_in(data) == []


async def test_servers_of_one_seed_do_not_share_files_and_keep_none():
    paths: list[Any] = []
    async with opened(seed=7) as one, opened(seed=7) as other:
        for site, data in ((one, b"one"), (other, b"other")):
            url = (await site.upload(("file", "a", None, data))).url
            name = url.rpartition("/")[2].partition(".")[0]
            uploads = site.server.server.uploads
            found = await uploads.find(name)
            assert found is not None
            paths.append(await uploads.shelf.locate(found, attached=False))
        assert [path.read_bytes() for path in paths] == [b"one", b"other"]
        assert paths[0].name == paths[1].name
    assert not any(path.parent.parent.parent.exists() for path in paths)


async def test_uploads_outlive_the_server(data):
    stored = {"data": str(data), "store": ""}
    async with opened(server=stored) as site:
        url = (await site.upload(("file", "a.png", "image/png", PNG))).url
        headers = site.auth
    assert len(files_in(data)) == 1
    async with running_server(server=stored) as server:
        again = Site(server, site.client)
        got = await again.ask("GET", url, headers)
        assert (got.status, got.headers["content-type"]) == (200, "image/png")
        assert got.body == PNG
