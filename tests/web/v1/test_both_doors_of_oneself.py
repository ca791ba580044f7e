"""One's own profile, search, files, and who is online: by packets and under `/v1/me` alike."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest
import trio

from tests.web.v1.conftest import Api
from tinode_py.client import Client, ClientError
from tinode_py.testing import running_server

KEY = "AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K"


async def code(client: Client, **request: Any) -> int:
    try:
        return (await client.request(request)).code
    except ClientError as no:
        return no.code


# --- the profile -------------------------------------------------------------------------


async def test_the_profile_is_the_same_whatever_the_mode_on_me(server, api):
    bob = await server.user("bob", tags=["bees"])
    await bob.sub("me")
    await bob.set("me", desc={"public": {"fn": "B"}, "private": {"note": 1}})
    for mode in ("JPS", "JP", "JS", "S", "N"):
        await bob.set("me", sub={"mode": mode})
        got = await api("GET", "/me", key=bob.token)
        assert got.status == 200
        await bob.sub("me")  # N put him out
        reply = await bob.get("me", "desc tags")
        desc = reply.meta["desc"]
        assert (got["public"], got["private"]) == (desc["public"], desc["private"])
        assert (got["auth"], got["anon"]) == (desc["defacs"]["auth"], desc["defacs"]["anon"])
        assert set(got["tags"]) == set(reply.meta["tags"])


CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "public": ({"desc": {"public": {"fn": "X"}}}, {"public": {"fn": "X"}}),
    "private": ({"desc": {"private": {"a": 2}}}, {"private": {"a": 2}}),
    "defaults": ({"desc": {"defacs": {"auth": "JR"}}}, {"auth": "JR"}),
    "odd defaults": ({"desc": {"defacs": {"auth": "XYZ"}}}, {"auth": "XYZ"}),
    "a default that owns": ({"desc": {"defacs": {"auth": "JRO"}}}, {"auth": "JRO"}),
    "trusted": ({"desc": {"trusted": {"v": 1}}}, {"trusted": {"v": 1}}),
    "tags": ({"tags": ["basic:$me", "wasps"]}, {"tags": ["wasps"]}),
    "a restricted tag": ({"tags": ["basic:$me", "email:a@b.c"]}, {"tags": ["email:a@b.c"]}),
    "another's login": ({"tags": ["basic:$me", "basic:eve1"]}, {"tags": ["basic:eve1"]}),
    "an alias that is taken": ({"tags": ["basic:$me", "alias:eve"]}, {"tags": ["alias:eve"]}),
}


async def test_what_may_be_changed_of_it(server, api):
    """For each change two users who are alike, one for each door."""
    await server.user("eve1", tags=["alias:eve"])
    for n, (name, (by_packet, by_http)) in enumerate(CHANGES.items()):
        found = []
        for door in ("packet", "http"):
            login = f"{door}{n}"
            bob = await server.user(login, desc={"public": {"fn": "Bob"}})
            await bob.sub("me")
            if door == "packet":
                tags = [tag.replace("$me", login) for tag in by_packet.get("tags", ())]
                wanted = {**by_packet, "tags": tags} if tags else by_packet
                done = await code(bob, set={"topic": "me", **wanted})
            else:
                done = (await api("PATCH", "/me", by_http, key=bob.token)).status
            reply = await bob.get("me", "desc tags")
            meta = {**reply.meta["desc"], "tags": set(reply.meta["tags"]) - {f"basic:{login}"}}
            for moment in ("created", "updated", "touched"):
                meta.pop(moment, None)
            found.append((done < 300, meta))
        assert found[0] == found[1], name


# --- search ------------------------------------------------------------------------------

QUERIES = (
    *("bees", "bees wasps", "bees,wasps", "tel:17025550001", "+17025550001", "email:a@b.c"),
    *("basic:carol", "none", " ", "alias:queen", "bees -wasps", "BEES", "a" * 200, "@queen"),
)


async def test_search_finds_the_same():
    rules = {"masked": ["email"]}
    async with running_server(tags=rules) as server, httpx.AsyncClient(base_url=server.url) as http:
        bob = await server.user("bob", tags=["bees"])
        await server.user("carol", tags=["bees", "wasps", "alias:queen"])
        root = await server.user("root", root=True)
        gone = await server.user("gone", tags=["bees"])
        await root.request({"acc": {"user": gone.user, "status": "susp"}})
        await root.sub("new", set={"tags": ["bees"], "desc": {"public": {"fn": "G"}}})
        for who in (bob, root):
            await who.sub("fnd")
            for query in QUERIES:
                over_http = await _searched_over_http(Api(http, who.token), query)
                assert await _searched(who, query) == over_http, (who.user, query)


async def _searched(who: Client, query: str) -> Any:
    try:
        await who.set("fnd", desc={"public": query})
        reply = await who.get("fnd", "sub")
    except ClientError as no:
        return no.code
    return {row.get("user") or row["topic"] for row in reply.meta.get("sub", [])}


async def _searched_over_http(api: Api, query: str) -> Any:
    got = await api("GET", "/me/search", params={"query": query, "limit": 100})
    return got.status if got.status >= 300 else {it["user"] or it["topic"] for it in got["items"]}


# --- files, and tokens that are not good any more ----------------------------------------


async def uploaded(api: Api, token: str) -> int:
    secret = base64.b64encode(base64.b64decode(token)).decode()
    headers = {"X-Tinode-APIKey": KEY, "X-Tinode-Auth": f"Token {secret}"}
    files = {"file": ("a.txt", b"what it says", "text/plain")}
    return (await api.http.post("/v0/file/u/", headers=headers, files=files)).status_code


@pytest.mark.parametrize("what", ["fine", "suspended", "deleted", "revoked", "forged"])
async def test_a_token_is_good_at_every_door_or_at_none(server, api, what):
    bob, root = await server.user("bob"), await server.user("root", root=True)
    token = bob.token
    if what == "suspended":
        await root.request({"acc": {"user": bob.user, "status": "susp"}})
    elif what == "deleted":
        await root.request({"del": {"what": "user", "user": bob.user, "hard": True}})
    elif what == "revoked":
        got = await api("POST", f"/users/{bob.user}/offline", {"revoke": True})
        assert got.status == 200
    elif what == "forged":
        token = base64.b64encode(base64.b64decode(token)[:-1] + b"\0").decode()
    async with server.connect() as client:
        await client.hi()
        secret = {"scheme": "token", "secret": token}
        packets = await code(client, login=secret)
    over_http = (await api("GET", "/me", key=token)).status
    good = what == "fine"
    assert [it < 300 for it in (packets, over_http, await uploaded(api, token))] == [good] * 3


# --- who is online -----------------------------------------------------------------------


async def test_who_is_shown_online(server, api):
    """A hidden contact, one who has shut himself out, one whom bob mutes, and bob hidden."""
    names = ("bob", "plain", "hidden", "shut", "muted", "away")
    people = {name: await server.user(name) for name in names}
    bob = people["bob"]
    for name, who in people.items():
        if who is bob:
            continue
        if name != "away":
            await who.sub("me")
        await who.sub(bob.user)
        await bob.sub(who.user)
        await bob.leave(who.user)
        if name == "shut":
            await who.set(bob.user, sub={"mode": "N"})
        elif name == "hidden":
            await who.set("me", sub={"mode": "JS"})
        elif name == "muted":
            await bob.set(who.user, sub={"mode": "JRWA"})
        if name != "shut":
            await who.leave(bob.user)
    await bob.sub("me")
    expected = {people["plain"].user}
    for mode in ("JPS", "JS"):
        await bob.set("me", sub={"mode": mode})
        wanted = expected if mode == "JPS" else set()
        assert await _shown_by(lambda: _online(bob), wanted) == wanted
        assert await _shown_by(lambda: _online_over_http(api, bob), wanted) == wanted


async def _online(bob: Client) -> set[str]:
    rows = (await bob.get("me", "sub")).meta["sub"]
    return {row["topic"] for row in rows if row.get("online")}


async def _online_over_http(api: Api, bob: Client) -> set[str]:
    rows = (await api("GET", "/me/topics", key=bob.token))["items"]
    return {row["topic"] for row in rows if row["online"]}


async def _shown_by(door: Any, wanted: set[str]) -> set[str]:
    """What a door shows once it shows what is wanted; who has gone is told of a while later."""
    found: set[str] = set()
    with trio.move_on_after(30):
        while (found := await door()) != wanted:
            await trio.lowlevel.checkpoint()
    return found
