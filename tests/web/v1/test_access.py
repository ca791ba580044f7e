"""Who may ask what: keys, scopes, rates, tokens, and how refusals read."""

from __future__ import annotations

import base64

import attrs
import pytest
import trio

from tests.web.v1.conftest import key_for
from tinode_py.queries_backend import KeyById
from tinode_py.web.v1.rates import MOST, Rates


async def test_no_key(api):
    got = await api("GET", "/server", key="")
    assert got.status == 401
    assert got.headers["www-authenticate"].startswith("Bearer")
    assert got.body == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "there is no `Authorization: Bearer …`",
        "errors": [],
        "code": 0,
    }


@pytest.mark.parametrize(
    "shown",
    ["tnk_", "tnk_x.y", "tnk_AAAAAAAAAAE.AAAA", "nonsense", "a b"],
)
async def test_a_key_that_is_none(api, shown):
    assert (await api("GET", "/server", key=shown)).status == 401


async def test_a_key_with_another_secret(server, api):
    key = await key_for(server, "server:read")
    assert (await api("GET", "/server", key=key)).status == 200
    assert (await api("GET", "/server", key=key[:-2] + "AA")).status == 401


async def test_a_scope_that_is_lacking(server, api):
    got = await api("GET", "/server", key=await key_for(server, "users:read"))
    assert got.status == 403
    assert got["detail"] == "the key lacks the scope server:read"


async def test_only_a_digest_is_kept(server, api):
    made = await api("POST", "/keys", {"name": "n", "scopes": ["server:read"]})
    assert made.status == 201
    row = await server.server.store.fetch(KeyById(made["id"]))
    assert made["key"].startswith(f"tnk_{row.id}.")
    assert made["key"].partition(".")[2] not in repr(attrs.asdict(row))
    assert len(row.digest) == 64
    listed = await api("GET", "/keys", params={"limit": 100})
    assert {item["key"] for item in listed["items"]} == {""}


async def test_a_key_is_revoked_at_once(api):
    made = await api("POST", "/keys", {"name": "n", "scopes": ["server:read"]})
    assert (await api("GET", "/server", key=made["key"])).status == 200
    assert (await api("DELETE", f"/keys/{made['id']}")).status == 204
    assert (await api("DELETE", f"/keys/{made['id']}")).status == 204
    assert (await api("GET", "/server", key=made["key"])).status == 401
    assert (await api("DELETE", "/keys/AAAAAAAAAAE")).status == 404


async def test_a_key_is_rotated_and_the_old_secret_is_good_for_a_time(api, autojump_clock):
    made = await api("POST", "/keys", {"name": "n", "scopes": ["server:read"]})
    new = await api("POST", f"/keys/{made['id']}/rotate", {"grace": 60})
    assert (new.status, new["id"], new["name"]) == (200, made["id"], "n")
    assert new["key"] != made["key"]
    for key in (made["key"], new["key"]):
        assert (await api("GET", "/server", key=key)).status == 200
    await trio.sleep(61)
    assert (await api("GET", "/server", key=made["key"])).status == 401
    assert (await api("GET", "/server", key=new["key"])).status == 200
    last = await api("POST", f"/keys/{made['id']}/rotate", {"grace": 0})
    assert (await api("GET", "/server", key=new["key"])).status == 401
    assert (await api("GET", "/server", key=last["key"])).status == 200
    (entry,) = (await api("GET", "/audit", params={"limit": 1}))["items"]
    assert (entry["action"], entry["target"]) == ("key.rotate", made["id"])
    await api("DELETE", f"/keys/{made['id']}")
    assert (await api("GET", "/server", key=last["key"])).status == 401


async def test_what_cannot_be_rotated(server, api):
    made = await api("POST", "/keys", {"name": "n", "scopes": ["server:read", "users:write"]})
    path = f"/keys/{made['id']}/rotate"
    weak = await key_for(server, "keys:write", "server:read")
    got = await api("POST", path, {}, key=weak)
    assert (got.status, got["detail"]) == (403, "this key may do more than the one that asks")
    narrow = await key_for(server, tags=("a",))
    assert (await api("POST", path, {}, key=narrow)).status == 403
    for body in ({"grace": -1}, {"grace": 2_592_001}, {"grace": "1"}, {"gracee": 1}):
        assert (await api("POST", path, body)).status == 400
    assert (await api("POST", "/keys/AAAAAAAAAAE/rotate", {})).status == 404
    await api("DELETE", f"/keys/{made['id']}")
    assert (await api("POST", path, {})).status == 409


async def test_nobody_gives_what_he_has_not(server, api):
    key = await key_for(server, "keys:write", "server:read")
    wanted = {"name": "n", "scopes": ["server:read", "users:write"]}
    got = await api("POST", "/keys", wanted, key=key)
    assert got.status == 403
    assert "users:write" in got["detail"]
    assert (await api("POST", "/keys", wanted | {"scopes": ["server:read"]}, key=key)).status == 201
    narrow = await key_for(server, "keys:write", "server:read", tags=("a",))
    got = await api("POST", "/keys", wanted | {"scopes": ["server:read"]}, key=narrow)
    assert got.status == 403
    more = await api("POST", "/keys", {"name": "n", "scopes": ["users:write"]})
    assert (await api("DELETE", f"/keys/{more['id']}", key=key)).status == 403


async def test_a_key_has_a_rate(server, api):
    key = await key_for(server, "server:read", rate=1)
    found = [(await api("GET", "/server", key=key)) for _ in range(2)]
    assert [got.status for got in found] == [200, 429]
    assert found[1].headers["retry-after"] == "1"
    assert (await api("GET", "/server")).status == 200  # another key


def test_rates():
    rates = Rates()
    assert [rates.take("a", 2, 0) for _ in range(3)] == [0, 0, 0.5]
    assert rates.take("a", 2, 400) == pytest.approx(0.1)
    assert rates.take("a", 2, 500) == 0
    assert rates.take("a", 2, 0) > 0  # a clock that was set back gives nothing
    assert not any(rates.take("b", 0, 0) for _ in range(100))
    for n in range(MOST + 5):
        rates.take(str(n), 1, 1000)
    assert len(rates._buckets) == MOST


async def test_root_may_all_and_others_nothing(server, api):
    root = await server.user("root", root=True)
    alice = await server.user("alice")
    assert (await api("GET", "/server", key=root.token)).status == 200
    url_safe = root.token.replace("+", "-").replace("/", "_")
    assert (await api("GET", "/server", key=url_safe)).status == 200
    assert (await api("GET", "/server", key=alice.token)).status == 403
    made = await api("POST", "/keys", {"name": "n", "scopes": ["keys:write"]}, key=root.token)
    assert made.status == 201


async def test_a_token_that_has_ended(server, api):
    alice = await server.user("alice", root=True)
    forged = base64.b64encode(base64.b64decode(alice.token)[:-1] + b"x").decode()
    assert (await api("GET", "/server", key=forged)).status == 401
    token = alice.token
    await alice.request({"del": {"what": "user", "hard": True}})
    assert (await api("GET", "/server", key=token)).status == 401


async def test_a_key_is_no_user(api):
    got = await api("GET", "/me")
    assert (got.status, got["detail"]) == (
        403,
        "this is for a user's own login token, not for a key",
    )


async def test_paths_and_methods_that_are_not_there(api):
    got = await api("GET", "/nothing")
    assert (got.status, got["title"]) == (404, "Not Found")
    got = await api("PATCH", "/keys")
    assert got.status == 405
    assert set(got.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}


async def test_what_is_wrong_with_a_body_is_named(api):
    good = {"name": "n", "scopes": ["server:read"]}
    for body, field in (
        (good | {"rate": -1}, "rate"),
        (good | {"rate": True}, "rate"),
        (good | {"scopes": ["server:read", "all"]}, "scopes[1]"),
        (good | {"scops": []}, "scops"),
        ({"name": "n"}, "scopes"),
        (good | {"name": ""}, "name"),
        (good | {"topics": ["grp1"]}, "topics[0]"),
    ):
        got = await api("POST", "/keys", body)
        assert got.status == 400, body
        assert [error["field"] for error in got["errors"]] == [field]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"\xff"', b'{"name":"\\u0000","scopes":["server:read"]}',
     b"[" * 300 + b"]" * 300, b'{"name":1e999}'],
)  # fmt: skip
async def test_bodies_that_are_none(api, body):
    assert (await api("POST", "/keys", body)).status == 400


async def test_a_body_must_be_json_and_short(server, api):
    got = await api("POST", "/keys", b"{}", headers={"Content-Type": "text/plain"})
    assert got.status == 415
    limit = 4 * server.server.settings.limits.message_size
    got = await api("POST", "/keys", b" " * (limit + 1))
    assert (got.status, got["detail"]) == (413, f"the body is longer than {limit} bytes")

    async def pieces():
        for _ in range(limit // 1024 + 1):
            yield b" " * 1024

    got = await api.http.post(
        "/v1/keys",
        content=pieces(),
        headers={"Authorization": f"Bearer {api.shown}", "Content-Type": "application/json"},
    )
    assert got.status_code == 413


async def test_a_query_is_checked(api):
    for query, field in (
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("a=1", "a"),
        ("limit=1&limit=2", "limit"), ("after=%00", "after"),
    ):  # fmt: skip
        got = await api("GET", f"/keys?{query}")
        assert got.status == 400, query
        assert [error["field"] for error in got["errors"]] == [field]
    assert (await api("GET", "/server?a=1")).status == 400
    assert (await api("GET", "/keys?after=%ff")).status == 400


async def test_pages(server, api):
    names = {f"k{n}" for n in range(7)}
    for name in names:
        await api("POST", "/keys", {"name": name, "scopes": ["server:read"]})
    found, after = [], ""
    while True:
        got = await api("GET", "/keys", params={"limit": 3, "after": after})
        found += [item["name"] for item in got["items"]]
        assert len(got["items"]) <= 3
        if not (after := got["next"]):
            break
    assert len(found) == 8
    assert set(found) == names | {"test"}


async def test_the_server_tells_of_itself(server, api):
    await server.user("alice")
    got = await api("GET", "/server")
    assert got["protocol"] == "0.25"
    assert (got["sessions"], got["users"]) == (1, 1)
    assert got["limits"]["message_size"] == 131072


async def test_a_store_that_fails(server, api, monkeypatch):
    from tinode_py.errors import StoreError

    async def failing(batch):
        raise StoreError("disk full")

    monkeypatch.setattr(type(server.server.store), "commit", lambda self, batch: failing(batch))
    got = await api("POST", "/keys", {"name": "n", "scopes": ["server:read"]})
    assert got.status == 503
