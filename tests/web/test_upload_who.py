"""Who may upload: keys, logins, methods, pages of other origins."""

from __future__ import annotations

import json

import pytest

from tests.web.files import (
    FAILED,
    MALFORMED,
    NO_KEY,
    NOTE,
    REQUIRED,
    TEXT,
    UP,
    WITH_KEY,
    b64,
    opened,
)
from tests.web.parts import KEY
from tinode_py.testing import password_of


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
