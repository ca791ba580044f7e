"""What a user may do with packets he may do under `/v1/me` with his token, and no more.

A case is a role, a wanted and a given mode, and one operation. For each there are two topics that
are alike: by one door it is done in the one, by the other in the other; the verdicts must be the
same, and so must be what is stored afterwards. The rows are written into the store before
anybody has loaded the topics. All 65,536 pairs of modes are tried in `tests/core`.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import httpx
import pytest
from msgspec import structs

from tests.web.v1.conftest import Api
from tinode_py import access, ids
from tinode_py.changes import AppendMessage, Batch, PutSubscription, PutTopic, PutUser
from tinode_py.client import Client, ClientError
from tinode_py.queries import MessagesIn, SubscriptionOf
from tinode_py.records import Message, Range, Subscription, Topic, User
from tinode_py.testing import RunningServer, running_server
from tinode_py.web.v1.people import is_p2p

NOW = 1_700_000_000_000
PAIRS = [
    (access.parse(want), access.parse(given))
    for want, given in (
        *(("JRWPS", "JRWPS"), ("JRWPASDO", "JRWPASD"), ("JRWPS", "JRP"), ("JRP", "JRWPS")),
        *(("JWP", "JRWPS"), ("JRWPS", "JWP"), ("J", "J"), ("JR", "JRWPASD"), ("JRWPASD", "JR")),
        *(("N", "N"), ("N", "JRWPS"), ("JRWPS", "N"), ("RWP", "JRWPS"), ("JRWPS", "RWP")),
        *(("JRD", "JRD"), ("JD", "JD"), ("JRA", "JRA"), ("JRS", "JRS"), ("JRWD", "JRWPSD")),
        *(("JP", "JP"), ("JRW", "JRW"), ("W", "JW"), ("R", "JR"), ("JRWPASDO", "JRWPASDO")),
    )
]


@attrs.define(eq=False)
class World:
    """Bob, by both doors; his contacts and groups are made as they are needed."""

    server: RunningServer
    api: Api
    bob: Client
    owner: str
    _count: Any = attrs.field(factory=itertools.count)

    async def write(self, *changes: Any) -> None:
        await self.server.server.store.commit(Batch(changes, NOW))

    async def topic(self, role: str, want: int, given: int) -> str:
        """A fresh topic in which bob is with these modes, and four messages; as bob calls it."""
        body = ids.new_body(self.server.server.hub.random_bytes)
        if role == "p2p":
            mask = access.parse("JRWPAD")
            want, given = want & mask, given & mask
            peer = "usr" + body
            await self.write(PutUser(User(peer, NOW, NOW, auth=access.parse("JRWPA"))))
            name, called = ids.p2p_name(self.bob.user, peer), peer
            row = Topic(name, NOW, NOW, NOW)
        else:
            name = called = "grp" + body
            peer = self.bob.user if role == "owner" else self.owner
            row = Topic(name, NOW, NOW, NOW, owner=peer, auth=access.parse("JRWPS"))
        full = access.parse("JRWPA") if role == "p2p" else access.FULL
        rows = [Subscription(name, peer, NOW, NOW, full, full)] if role != "owner" else []
        if role == "reader":
            row = structs.replace(row, channel=True, readers=1)
            called = ids.channel_of(name)
            rows.append(Subscription(called, self.bob.user, NOW, NOW, want, given))
        elif role != "stranger":
            deleted = NOW if role == "former" else 0
            rows.append(Subscription(name, self.bob.user, NOW, NOW, want, given, deleted=deleted))
        says = zip((peer, self.bob.user, self.bob.user, peer), itertools.count(1), strict=False)
        said = [Message(name, seq, who, NOW, None, b"%d" % seq) for who, seq in says]
        await self.write(PutTopic(row), *map(PutSubscription, rows), *map(AppendMessage, said))
        return called

    async def state(self, named: str) -> Any:
        """What is stored of bob in a topic, and what he and the other one can read there."""
        user = self.bob.user
        name = ids.p2p_name(user, named) if ids.is_user(named) else named
        name = ids.group_of(named) if ids.is_channel(named) else name
        other = named if is_p2p(name) else self.owner
        row = await self.server.server.store.fetch(
            SubscriptionOf(named if ids.is_channel(named) else name, user)
        )
        found = []
        for who in (user, other):
            query = MessagesIn(name, who, (Range(1, 100),), 100)
            found.append(
                [(it.seq, it.content) for it in await self.server.server.store.fetch(query)]
            )
        return row and (
            row.want,
            row.given,
            row.read,
            row.recv,
            row.clear,
            bool(row.deleted),
        ), found


# --- the same thing, done by either door -------------------------------------------------


async def packets(world: World, named: str, request: dict[str, Any]) -> Any:
    """What a client is answered who attaches, asks, and goes; the code if he is refused."""
    try:
        await world.bob.sub(named)
        return await world.bob.request(request)
    except ClientError as no:
        return no.code
    finally:
        await world.bob.leave(named)


async def http(world: World, method: str, path: str, body: Any = None) -> Any:
    """The body of what the API answers, the status if it refuses."""
    got = await world.api(method, path, body, key=world.bob.token)
    return got.body if got.status < 300 else got.status


def seen(answer: Any, look: Callable[[Any], Any]) -> Any:
    return answer if isinstance(answer, int) else look(answer)


async def send(world: World, one: str, other: str) -> Any:
    request = {"pub": {"topic": one, "content": "new"}}
    mine = seen(await packets(world, one, request), lambda it: it.params["seq"])
    to = {"user" if ids.is_user(other) else "topic": other}
    path = "/me/messages"
    theirs = await http(world, "POST", path, {**to, "content": "new"})
    return mine, seen(theirs, lambda it: it["results"][0]["seq"])


def edit(seq: int) -> Operation:
    async def edited(world: World, one: str, other: str) -> Any:
        pub = {"topic": one, "content": "edited", "head": {"replace": f":{seq}"}}
        mine = seen(await packets(world, one, {"pub": pub}), lambda it: it.params["seq"])
        path = f"/me/topics/{other}/messages/{seq}"
        theirs = await http(world, "PATCH", path, {"content": "edited"})
        return mine, seen(theirs, lambda it: it["seq"])

    return edited


def delete(seq: int, *, hard: bool) -> Operation:
    async def deleted(world: World, one: str, other: str) -> Any:
        request = {"topic": one, "what": "msg", "delseq": [{"low": seq}], "hard": hard}
        mine = seen(await packets(world, one, {"del": request}), lambda it: it.params["del"])
        path = f"/me/topics/{other}/messages/{seq}" + ("?hard=true" if hard else "")
        return mine, seen(await http(world, "DELETE", path), lambda it: it["number"])

    return deleted


async def history(world: World, one: str, other: str) -> Any:
    request = {"get": {"topic": one, "what": "data"}}
    mine = seen(await packets(world, one, request), lambda it: [m["content"] for m in it.data])
    theirs = await http(world, "GET", f"/me/topics/{other}/messages")
    return mine, seen(theirs, lambda it: [m["content"] for m in it["messages"]])


async def members(world: World, one: str, other: str) -> Any:
    """Each with what is shown of his mode, the peer of a private chat as such."""

    def row(user: str, acs: Any, read: int, recv: int) -> Any:
        who = "peer" if user in (one, other) else user
        return who, acs.get("want", ""), acs.get("given", ""), acs.get("mode", ""), read, recv

    request = {"get": {"topic": one, "what": "sub"}}
    mine = seen(
        await packets(world, one, request),
        lambda it: sorted(
            row(m["user"], m.get("acs", {}), m.get("read", 0), m.get("recv", 0))
            for m in it.meta["sub"]
        ),
    )
    theirs = await http(world, "GET", f"/me/topics/{other}/members")
    return mine, seen(
        theirs, lambda it: sorted(row(m["user"], m, m["read"], m["recv"]) for m in it["items"])
    )


async def topics(world: World, one: str, other: str) -> Any:
    """The row of the topic in the list of bob's topics, as packets and as the API tell it."""
    found = (await world.bob.get("me", "sub", sub={"topic": one})).meta.get("sub", [])
    mine = [
        (row["acs"]["mode"], row.get("seq", 0), row.get("read", 0), row.get("recv", 0))
        for row in found
        if "deleted" not in row
    ]
    listed, after = [], ""
    while True:
        page = await http(world, "GET", f"/me/topics?limit=100&after={after}")
        listed += page["items"]
        if not (after := page["next"]):
            break
    rows = [row for row in listed if row["topic"] == other]
    return mine, [(row["mode"], row["seq"], row["read"], row["recv"]) for row in rows]


Operation = Callable[[World, str, str], Awaitable[Any]]
OPERATIONS: dict[str, Operation] = {
    "send": send,
    "edit one's own": edit(2),
    "edit another's": edit(1),
    "delete for all": delete(3, hard=True),
    "delete for oneself": delete(4, hard=False),
    "history": history,
    "members": members,
    "topics": topics,
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with (
        running_server(limits={"packets_per_second": 0}) as server,
        httpx.AsyncClient(base_url=server.url, timeout=30) as client,
    ):
        bob, alice = await server.user("bob"), await server.user("alice")
        await bob.sub("me")
        yield World(server, Api(client, ""), bob, alice.user)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_both_doors_give_one_verdict(world, name):
    operation, wrong, verdicts = OPERATIONS[name], [], set()
    for role, pairs in (("member", PAIRS), ("owner", PAIRS[::6]), ("p2p", PAIRS[::2])):
        for want, given in pairs:
            one, other = [await world.topic(role, want, given) for _ in range(2)]
            before = await world.state(other)
            mine, theirs = await operation(world, one, other)
            after = [await world.state(named) for named in (one, other)]
            verdicts.add(mine if isinstance(mine, int) else 200)
            done = after[0] == after[1] or (theirs == 403 and after[1] == before)
            if mine != theirs or not done:
                modes = access.text(want), access.text(given)
                wrong.append((role, *modes, mine, theirs, *after))
    assert not wrong, (len(wrong), wrong[:3])
    if name not in ("topics", "edit another's"):
        assert len(verdicts) > 1  # some may, some may not


READS = ("JRP", "JR", "JRWPASD", "JP", "RP", "N")


async def test_readers_of_a_channel(world):
    """Where both doors refuse, the codes may differ: one says that there is no such request."""
    wrong, granted = [], set()
    for name, (want, given) in itertools.product(OPERATIONS, itertools.product(READS[::3], READS)):
        modes = access.parse(want), access.parse(given)
        one, other = [await world.topic("reader", *modes) for _ in range(2)]
        before = await world.state(other)
        mine, theirs = await OPERATIONS[name](world, one, other)
        after = [await world.state(named) for named in (one, other)]
        refused = [isinstance(it, int) and it >= 400 for it in (mine, theirs)]
        granted |= set() if any(refused) else {name}
        same = all(refused) or mine == theirs
        done = after[0] == after[1] or (all(refused) and after[1] == before)
        if not (same and done):
            wrong.append((name, want, given, mine, theirs, *after))
    assert not wrong, (len(wrong), wrong[:6])
    assert granted == {"history", "members", "topics"}


async def test_who_is_no_member_does_not_become_one(world):
    """Who would attach first could join; over HTTP nobody does that by the way."""
    for role, name in itertools.product(("former", "stranger"), OPERATIONS):
        one, other = [await world.topic(role, access.FULL, access.FULL) for _ in range(2)]
        before = await world.state(other)
        _, theirs = await OPERATIONS[name](world, one, other)
        assert theirs == ([] if name == "topics" else 403), (role, name)
        assert await world.state(other) == before
