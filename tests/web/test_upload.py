"""Uploading: who may, which forms there are, what is too much."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio

from tests.web.files import (
    BOUNDARY,
    MULTIPART,
    NOTE,
    PNG,
    TEXT,
    UP,
    WITH_KEY,
    Site,
    b64,
    exchange,
    form,
)
from tests.web.parts import KEY, request
from tinode_py.testing import password_of, running_server

Open = Callable[..., AbstractAsyncContextManager[Site]]
REQUIRED = (401, "authentication required")
FAILED = (401, "authentication failed")
MALFORMED = (400, "malformed")
NO_KEY = (403, "valid API key required")
TOO_LARGE = (413, "too large")


@asynccontextmanager
async def opened(**settings):
    async with running_server(**settings) as server:
        yield Site(server, await server.user("alice"))


@pytest.fixture
async def site():
    async with opened() as site:
        yield site


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


# --- who ---------------------------------------------------------------------------------


async def test_the_key_may_stand_in_four_places(site):
    auth = {"X-Tinode-Auth": f"Token {site.token}"}
    for more in (
        {"headers": auth, "path": f"{UP}?apikey={KEY}"},
        {"headers": {**auth, "Cookie": f"apikey={KEY}"}},
    ):
        assert (await site.upload(NOTE, **more)).status == 200
    assert (await site.upload(NOTE, ("apikey", KEY), headers=auth)).status == 200
    assert (await site.upload(NOTE, headers=auth)).told == NO_KEY
    bad = {**auth, "X-Tinode-APIKey": "bad"}
    assert (await site.upload(NOTE, headers=bad)).told == NO_KEY
    assert (await site.upload(NOTE, headers=bad, path=f"{UP}?apikey={KEY}")).told == NO_KEY
    cookie = {**auth, "Cookie": "apikey=bad"}
    assert (await site.upload(NOTE, ("apikey", KEY), headers=cookie)).status == 200


async def test_who_it_is_may_be_said_in_many_ways(site):
    token, basic = site.token, b64(f"alice:{password_of('alice')}")
    safe = token.replace("+", "-").replace("/", "_")
    for headers in (
        {"X-Tinode-Auth": f"token {token}"},
        {"X-Tinode-Auth": f"TOKEN  {safe.rstrip('=')}"},
        {"X-Tinode-Auth": f"Basic {basic}"},
        {"Authorization": f"Token {token}"},
        {"Authorization": f"Basic {basic}"},
        {"X-Tinode-Auth": "Token", "Authorization": f"Token {token}"},
        {"Cookie": f"auth=token; secret={token}"},
    ):
        answer = await site.upload(NOTE, headers={**WITH_KEY, **headers})
        assert answer.status == 200, headers
    for path in (UP + site.in_query, f"{UP}?auth=token&secret={safe}"):
        assert (await site.upload(NOTE, headers=WITH_KEY, path=path)).status == 200
    fields = (NOTE, ("auth", "token"), ("secret", token))
    assert (await site.upload(*fields, headers=WITH_KEY)).status == 200


@pytest.mark.parametrize(
    ("auth", "told"),
    [
        ("", REQUIRED),
        ("Token", REQUIRED),
        ("Token " + b64("x" * 50), FAILED),
        ("Token " + b64("short"), MALFORMED),
        ("Token %%%", MALFORMED),
        ("Bearer " + b64("abc"), MALFORMED),
        ("nosuch " + b64("abc"), MALFORMED),
        ("code " + b64("123456:email:a@b"), MALFORMED),
        ("anonymous " + b64("abc"), MALFORMED),
        ("Basic " + b64("alice:wrong1"), FAILED),
        ("Basic " + b64("nobody:wrong1"), FAILED),
        ("Basic " + b64("\0"), MALFORMED),
    ],
)
async def test_who_is_not_believed(site, auth, told):
    headers = {**WITH_KEY, **({"X-Tinode-Auth": auth} if auth else {})}
    answer = await site.upload(NOTE, ("id", "9"), headers=headers)
    assert answer.told == told
    assert answer.ctrl["id"] == "9"


async def test_the_first_that_says_something_decides(site):
    headers = {**site.auth, "X-Tinode-Auth": "Token " + b64("short")}
    headers["Authorization"] = f"Token {site.token}"
    assert (await site.upload(NOTE, headers=headers)).told == MALFORMED


async def test_a_newcomer_may_send_his_picture(site):
    for parts, path in (((NOTE, ("topic", "newacc")), UP), ((NOTE,), UP + "?topic=newacc")):
        answer = await site.upload(*parts, headers=WITH_KEY, path=path)
        assert answer.status == 200
        assert (await site.get(answer.url)).body == TEXT
        assert (await site.ask("GET", answer.url, WITH_KEY)).told == REQUIRED
    for topic in ("new", "me", site.client.user):
        assert (await site.upload(NOTE, ("topic", topic), headers=WITH_KEY)).told == REQUIRED
    headers = {**WITH_KEY, "X-Tinode-Auth": "Token bad!"}
    assert (await site.upload(("topic", "newacc"), NOTE, headers=headers)).told == MALFORMED


async def test_accounts_that_are_over_or_suspended_send_nothing(site):
    headers = site.auth
    await site.client.del_("user", hard=True)
    assert (await site.upload(NOTE, headers=headers)).told == FAILED


async def test_a_revoked_token_sends_nothing(site):
    headers = site.auth
    await site.client.sub("me")
    await site.client.del_("session", session="*")
    assert (await site.upload(NOTE, headers=headers)).told == FAILED


async def test_a_polling_session_that_is_logged_in_will_do(site):
    polls = f"/v0/channels/lp?apikey={KEY}"
    sid = json.loads((await site.ask("POST", polls, {})).body)["ctrl"]["params"]["sid"]
    path = f"{UP}?sid={sid}"
    assert (await site.upload(NOTE, headers=WITH_KEY, path=path)).told == REQUIRED
    login = {"id": "2", "scheme": "token", "secret": site.token}
    for packet in ({"hi": {"id": "1", "ver": "0.25"}}, {"login": login}):
        body = json.dumps(packet).encode()
        await site.ask("POST", f"{polls}&sid={sid}", {"Content-Type": "text/plain"}, body)
        answer = await site.ask("GET", f"{polls}&sid={sid}", {})
        assert json.loads(answer.body)["ctrl"]["code"] == 200
    answer = await site.upload(NOTE, headers=WITH_KEY, path=path)
    assert (await site.ask("GET", f"{answer.url}?sid={sid}", WITH_KEY)).body == TEXT
    assert (await site.upload(NOTE, ("sid", sid), headers=WITH_KEY)).status == 200
    wrong = f"{UP}?sid=AAAAAAAAAAA"
    assert (await site.upload(NOTE, headers=WITH_KEY, path=wrong)).told == REQUIRED


# --- methods, other origins --------------------------------------------------------------


async def test_methods(site):
    for method in ("GET", "DELETE", "PATCH"):
        told = (405, "operation or method not allowed")
        assert (await site.ask(method, UP)).told == told
        assert (await site.ask(method, UP, {})).told == told
    for headers, status in ((site.auth, 200), (WITH_KEY, 401), ({}, 403)):
        answer = await site.ask("HEAD", UP, headers)
        assert (answer.status, answer.body) == (status, b"")
    assert (await site.ask("OPTIONS", UP, {})).status == 204


async def test_paths_near_by(site):
    moved = await site.ask("POST", UP[:-1] + "?id=1", body=b"x")
    assert (moved.status, moved.headers["location"]) == (307, UP + "?id=1")
    for path in ("/v0/file/", "/v0/file", "/v0/file/U/"):
        assert (await site.ask("POST", path, body=b"x")).told == (404, "not found")


async def test_pages_of_listed_origins_may_upload():
    ours = {"Origin": "http://Ours.example"}
    async with opened(web={"cors_origins": ["http://ours.example/"]}) as site:
        wanted = {"Access-Control-Request-Headers": "x-tinode-auth"}
        asked = await site.ask("OPTIONS", UP, {**ours, **wanted})
        assert asked.status == 204
        assert asked.headers["access-control-allow-origin"] == "http://Ours.example"
        assert asked.headers["access-control-allow-headers"] == "x-tinode-auth"
        assert asked.headers["access-control-allow-methods"] == "POST, PUT, HEAD, OPTIONS"
        sent = await site.upload(NOTE, headers={**site.auth, **ours})
        assert sent.headers["access-control-allow-origin"] == "http://Ours.example"
        got = await site.get(sent.url, Origin="http://elsewhere.example")
        assert "access-control-allow-origin" not in got.headers
        assert got.headers["vary"] == "Origin"


async def test_no_origin_is_listed(site):
    elsewhere = {"Origin": "http://elsewhere.example"}
    for answer in (
        await site.ask("OPTIONS", UP, elsewhere),
        await site.upload(NOTE, headers={**site.auth, **elsewhere}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_all_origins_are_welcome():
    async with opened(web={"cors_origins": ["*"]}) as site:
        answer = await site.upload(NOTE, headers={**site.auth, "Origin": "http://x.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_strangers_page_cannot_upload_with_a_users_cookies():
    listed = ["https://ours.example"]
    web = {"cors_origins": listed, "public_url": "https://chat.example/tinode"}
    async with opened(web=web) as site:
        cookies = {**WITH_KEY, "Cookie": f"auth=token; secret={site.token}"}
        for sent_by, status in (
            ({}, 200),  # no page
            ({"Origin": "http://example"}, 200),  # the `Host` of these requests
            ({"Origin": "https://ours.example"}, 200),
            ({"Origin": "https://chat.example"}, 200),
            ({"Sec-Fetch-Site": "same-origin"}, 200),
            ({"Origin": "https://evil.example"}, 401),
            ({"Origin": "https://chat.example.evil"}, 401),
            ({"Origin": "null"}, 401),
            ({"Sec-Fetch-Site": "cross-site"}, 401),
            ({"Sec-Fetch-Site": "same-site"}, 401),
        ):
            answer = await site.upload(NOTE, headers={**cookies, **sent_by})
            assert answer.status == status, sent_by
        told = {"Origin": "https://evil.example", **site.auth}  # not by cookies: it knows him
        assert (await site.upload(NOTE, headers=told)).status == 200


async def test_everybodys_pages_bring_no_cookies():
    async with opened(web={"cors_origins": ["*"]}) as site:
        cookies = {"Cookie": f"auth=token; secret={site.token}", "Origin": "https://a.example"}
        headers = {**WITH_KEY, **cookies}
        assert (await site.upload(NOTE, headers=headers)).status == 401


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
    paths = []
    async with opened(seed=7) as one, opened(seed=7) as other:
        for site, data in ((one, b"one"), (other, b"other")):
            url = (await site.upload(("file", "a", None, data))).url
            name = url.rpartition("/")[2].partition(".")[0]
            uploads = site.server.server.uploads
            paths.append(await uploads.shelf.locate(await uploads.find(name)))
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
