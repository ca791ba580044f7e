"""Downloading: names, conditions, ranges, and what keeps a file from doing harm."""

from __future__ import annotations

import pytest

from tests.web.files import DOWN, NOTE, PNG, TEXT, WITH_KEY, Site, b64
from tinode_py.testing import password_of

REQUIRED = (401, "authentication required")
MISSING = (404, "not found")


@pytest.fixture
async def url(site):
    return (await site.upload(NOTE)).url


async def test_the_headers_of_a_text(site, url):
    got = await site.get(url)
    headers = got.headers
    assert (got.status, got.body) == (200, TEXT)
    assert headers["content-type"] == "text/plain; charset=utf-8"
    assert headers["content-length"] == str(len(TEXT))
    assert headers["content-disposition"] == "attachment"
    assert headers["cache-control"] == "max-age=86400"
    assert headers["accept-ranges"] == "bytes"
    assert len(headers["etag"]) == 28
    assert headers["last-modified"].endswith(" GMT")


async def test_head_tells_what_get_would(site, url):
    got, head = await site.get(url), await site.ask("HEAD", url)
    assert (head.status, head.body) == (200, b"")
    differing = {name for name in got.headers if got.headers[name] != head.headers.get(name)}
    assert differing <= {"date"}
    assert (await site.ask("HEAD", DOWN + "AAAAAAAAAAA")).status == 404


@pytest.mark.parametrize(
    ("name", "declared", "data", "attached"),
    [
        ("a.png", "image/png", PNG, False),
        ("a.html", "text/html", b"<html><script>alert(1)</script>", True),
        ("a.svg", "image/svg+xml", bytes(600), True),
        ("a.pdf", "application/pdf", b"%PDF-1.7" + bytes(600), True),
        ("a.mp3", "audio/mpeg", bytes(600), False),
        ("a.xhtml", "application/xhtml+xml", bytes(600), True),
    ],
)
async def test_what_could_be_active_is_saved_not_opened(site, name, declared, data, attached):
    sent = await site.upload(("file", name, declared, data))
    got = await site.get(sent.url)
    assert ("content-disposition" in got.headers) is attached
    assert got.headers["x-content-type-options"] == "nosniff"
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert policy.endswith("sandbox")


async def test_whoever_asks_may_have_it_saved(site):
    sent = await site.upload(("file", "a.png", "image/png", PNG))
    for query, attached in (("1", True), ("true", True), ("0", False), ("yes", False), ("", False)):
        got = await site.get(f"{sent.url}?asatt={query}")
        assert ("content-disposition" in got.headers) is attached


async def test_who_may_fetch(site, url):
    bob = await site.server.user("bob")
    assert (await Site(site.server, bob).get(url)).body == TEXT
    assert (await site.ask("GET", url, {})).told == (403, "valid API key required")
    assert (await site.ask("GET", url, WITH_KEY)).told == REQUIRED
    assert (await site.ask("GET", url + "?sid=AAAAAAAAAAA", WITH_KEY)).told == REQUIRED
    assert (await site.ask("GET", url + site.in_query, {})).body == TEXT
    raw = site.in_query.replace("%2F", "/").replace("%2B", "+").replace("%3D", "=")
    assert (await site.ask("GET", url + raw, {})).body == TEXT
    basic = {**WITH_KEY, "Authorization": "Basic " + b64(f"alice:{password_of('alice')}")}
    assert (await site.ask("GET", url, basic)).body == TEXT
    headers = site.auth
    await site.client.del_("user", hard=True)
    assert (await site.ask("GET", url, headers)).status == 401
    assert (await Site(site.server, bob).get(url)).body == TEXT


async def test_only_the_id_of_a_name_counts(site, url):
    bare = url.partition(".")[0]
    for name in (bare, bare + ".exe", bare + ".tar.gz", bare + "."):
        assert (await site.get(name)).body == TEXT
    for name in (
        *(bare + "/more", bare + "AAAA", bare[:-1], DOWN, DOWN + "AAAAAAAAAAA", DOWN + "short"),
        *(DOWN + "extra/" + bare[len(DOWN) :], bare + "-", bare + "%41"),
    ):
        answer = await site.get(name)
        assert answer.told == MISSING, name
    assert (await site.ask("GET", DOWN + "AAAAAAAAAAA", WITH_KEY)).told == REQUIRED


@pytest.mark.parametrize(
    "name",
    [
        *("..", "../", "../../../etc/passwd", "%2e%2e/x", "..%2fx", "%2e%2e%2fetc%2fpasswd"),
        *("....//....//etc/passwd", "..%5c..%5cetc", "%252e%252e%252fetc", "%00", "*", "%", "."),
        *("AAAAAAAAAAA%00.png", "AAAAAAAAAAA%0a", "%C3%A4AAAAAAAAAA", "A" * 5000),
    ],
)
async def test_tricks_with_paths_lead_nowhere(site, name):
    answer = await site.get(DOWN + name)
    assert answer.told == MISSING


async def test_methods(site, url):
    for method in ("POST", "PUT", "DELETE"):
        told = (405, "operation or method not allowed")
        assert (await site.ask(method, url, {})).told == told
    assert (await site.ask("OPTIONS", url, {})).status == 204


async def test_conditions(site, url):
    first = (await site.get(url)).headers
    etag, date = first["etag"], first["last-modified"]
    old, new = "Mon, 01 Jan 2001 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"
    for headers, status in (
        ({"If_None_Match": etag}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": f'"other", W/{etag}'}, 304),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_None_Match": '"other"', "If_Modified_Since": date}, 200),
        ({"If_Modified_Since": date}, 304),
        ({"If_Modified_Since": new}, 304),
        ({"If_Modified_Since": old}, 200),
        ({"If_Modified_Since": "rubbish"}, 200),
        ({"If_Match": etag}, 200),
        ({"If_Match": '"other"'}, 412),
    ):
        got = await site.get(url, **headers)
        assert got.status == status, headers
        if status == 304:
            assert got.headers["etag"] == etag
            assert got.body == b""
            assert "content-type" not in got.headers


async def test_ranges(site, url):
    size = len(TEXT)
    for text, start, end in (
        ("0-9", 0, 10),
        ("870-", 870, size),
        ("-5", size - 5, size),
        ("-99999", 0, size),
        ("0-99999", 0, size),
    ):
        got = await site.get(url, Range=f"bytes={text}")
        assert (got.status, got.body) == (206, TEXT[start:end])
        assert got.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert got.headers["content-security-policy"]
    several = await site.get(url, Range="bytes=0-4,10-14")
    assert several.status == 206
    assert several.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert several.body.count(b"Content-Range") == 2
    for beyond in (f"{size}-", "5-6,99999-", "-0"):
        got = await site.get(url, Range=f"bytes={beyond}")
        assert (got.status, got.headers["content-range"]) == (416, f"bytes */{size}")


@pytest.mark.parametrize(
    "text",
    [
        *("bytes=5-2", "rows=1-2", "bytes=", "bytes=a-b", "bytes=1-2,x", "", "bytes=-", "1-2"),
        "bytes=" + ",".join(["0-1"] * 1000),
        "bytes=" + "9" * 1990 + "-" + "x",
    ],
)
async def test_what_is_no_range_is_not_looked_at(site, url, text):
    got = await site.get(url, Range=text)
    assert (got.status, got.body) == (200, TEXT)


async def test_a_range_of_another_file_is_the_whole(site, url):
    first = (await site.get(url)).headers
    for condition, status in (
        (first["etag"], 206),
        (first["last-modified"], 206),
        ('"other"', 200),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 200),
    ):
        got = await site.get(url, Range="bytes=0-9", If_Range=condition)
        assert got.status == status
    beyond = await site.get(url, Range="bytes=99999-", If_Range='"other"')
    assert beyond.status == 200


async def test_bytes_that_are_missing_are_not_found(site, url):
    upload = url[len(DOWN) :].partition(".")[0]
    await site.server.server.uploads.shelf.remove(upload)
    assert (await site.get(url)).told == MISSING
