"""Accounts over their life: suspended, ended, forgotten, their tokens void. All over SQLite,
with the server started again in between.
"""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from tinode_py import testing
from tinode_py.client import ClientError
from tinode_py.live.collecting import Collector
from tinode_py.queries import UserById
from tinode_py.server import Parts
from tinode_py.testing import password_of

DAY = 86_400_000  # ms


@pytest.fixture
def serving(tmp_path):
    """Start a server on the same data each time."""

    @contextlib.asynccontextmanager
    async def start(**settings):
        server = {"data": str(tmp_path), "store": ""}
        async with testing.running_server(server=server, **settings) as running:
            yield running

    return start


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def visitor(server):
    client = await server.open()
    await client.hi()
    return client


async def by_password(server, name, password=""):
    client = await visitor(server)
    return await client.login(name, password or password_of(name))


async def by_token(server, token):
    client = await visitor(server)
    return await client.request({"login": {"scheme": "token", "secret": token}})


async def refused(request) -> int:
    with pytest.raises(ClientError) as caught:
        await request
    return int(caught.value.code)


async def status(root, user: str, state: str) -> int:
    return int((await root.request({"acc": {"user": user, "status": state}})).code)


async def evicted(client) -> None:
    told = [packet["ctrl"] async for packet in client if "ctrl" in packet]
    assert [(ctrl["code"], ctrl.get("topic")) for ctrl in told] == [(205, None)]


async def a_chat_and_a_group(server):
    """Ann, who owns a group, and Bob, who is in it and has a chat with her."""
    ann, bob = await server.user("ann"), await server.user("bob")
    await ann.sub("me")
    await bob.sub("me")
    group = (await ann.sub("new1")).topic
    await ann.pub(group, "welcome")
    await bob.sub(group)
    await bob.sub(ann.user)
    await bob.pub(ann.user, "hello")
    return ann, bob, group


async def test_a_suspended_account_is_silent_until_it_is_reactivated(serving, autojump_clock):
    async with serving() as server:
        root = await server.user("root", root=True)
        ann, bob, group = await a_chat_and_a_group(server)
        token, user, rooted = ann.token, ann.user, root.token
        assert await status(root, user, "susp") == 200
        assert await status(root, user, "susp") == 304
        await evicted(ann)
        assert await refused(bob.pub(user, "anybody?")) == 403
        assert await refused(bob.pub(group, "anybody?")) == 403
        held = bob.token
    async with serving() as server:
        assert await refused(by_password(server, "ann")) == 403
        assert await refused(by_token(server, token)) == 403
        bob = await visitor(server)
        await bob.request({"login": {"scheme": "token", "secret": held}})
        await bob.sub("me")
        await bob.sub(user)
        await bob.sub(group)
        assert await refused(bob.pub(user, "anybody?")) == 403
        assert await refused(bob.pub(group, "anybody?")) == 403
        root = await visitor(server)
        await root.request({"login": {"scheme": "token", "secret": rooted}})
        assert await status(root, user, "ok") == 200
        assert await bob.pub(user, "you are back") == 2
        assert await bob.pub(group, "she is back") == 2
        assert (await by_password(server, "ann")).code == 200
        assert (await by_token(server, token)).code == 200


@pytest.mark.parametrize("hard", [False, True])
async def test_what_stays_of_an_account_that_ended(serving, autojump_clock, hard):
    async with serving() as server:
        ann, bob, group = await a_chat_and_a_group(server)
        meeting = (await bob.sub("new2")).topic
        await ann.sub(meeting)
        await ann.pub(meeting, "what I said")
        await ann.request({"del": {"what": "user", "hard": hard}})
        await ann.wait_closed()
        token, user, held = ann.token, ann.user, bob.token
    async with serving() as server:
        assert await refused(by_password(server, "ann")) == 401
        assert await refused(by_token(server, token)) == 404
        assert await server.server.store.fetch(UserById(user)) is None
        bob = await visitor(server)
        await bob.request({"login": {"scheme": "token", "secret": held}})
        await bob.sub("me")
        assert await refused(bob.sub(group)) == 404
        await bob.sub(meeting)
        got = await bob.request({"get": {"topic": meeting, "what": "data"}})
        assert [(one["from"], one["content"]) for one in got.data] == [(user, "what I said")]
        rows = await bob.request({"get": {"topic": "me", "what": "sub"}})
        names = {sub["topic"] for sub in rows.meta["sub"]}
        assert names == {meeting, user}
        again = await server.user("ann")
        assert again.user != user


async def test_a_new_password_ends_every_other_token(serving, autojump_clock):
    async with serving() as server:
        ann = await server.user("ann")
        other = await server.user("ann")
        tokens = {"kept": ann.token, "void": other.token}
        user = ann.user
        acc = {"user": user, "scheme": "basic", "secret": b64("ann:another-password")}
        await ann.request({"acc": acc})
        await evicted(other)
    async with serving() as server:
        assert (await by_token(server, tokens["kept"])).code == 200
        assert await refused(by_token(server, tokens["void"])) == 401
        assert await refused(by_password(server, "ann")) == 401
        assert (await by_password(server, "ann", "another-password")).code == 200
        thief = await visitor(server)
        acc = {"user": user, "scheme": "basic", "secret": b64("ann:stolen-password")}
        acc |= {"tmpscheme": "token", "tmpsecret": tokens["void"]}
        assert await refused(thief.request({"acc": acc})) == 401
        assert (await by_password(server, "ann", "another-password")).code == 200


class Nobody:
    """A courier that brings nothing."""

    async def bring(self, letter) -> None:
        self.letter = letter


VALIDATORS = {"email": {"required": ["auth"], "debug_code": "123456"}}


@attrs.define
class Time:
    """Trio's, which can be put forward."""

    clock: Callable[[], int] = attrs.field(factory=testing.trio_clock)
    ahead: int = 0  # ms

    def now(self) -> int:
        return self.clock() + self.ahead

    async def pass_by(self, server, days: float) -> None:
        """Go on, and let the server look through its accounts."""
        self.ahead += int(days * DAY)
        inside, hub = server.server, server.server.hub
        rounds = Collector(inside.settings, inside.store, self.now, hub.has_session, hub.submit)
        await rounds.collect()
        await trio.testing.wait_all_tasks_blocked()


@pytest.fixture
async def time(autojump_clock) -> Time:
    return Time()


@contextlib.asynccontextmanager
async def confirming(tmp_path, time, **auth):
    parts = Parts(
        time.now,
        os.urandom,
        testing.CheapHasher(),
        inline=True,
        couriers={"email": Nobody()},
    )
    basic: Any = {"basic": {"min_login": 1}, **auth}
    settings = {"validators": VALIDATORS, "auth": basic}
    where = {"data": str(tmp_path), "store": ""}
    async with testing.running_server(parts=parts, server=where, **settings) as server:
        yield server


async def sign_up(server, name):
    client = await visitor(server)
    acc = {"user": "new", "scheme": "basic", "secret": b64(f"{name}:{name}-password")}
    cred = [{"meth": "email", "val": f"{name}@example.com"}]
    reply = await client.request({"acc": {**acc, "login": True, "cred": cred}})
    assert reply.code == 300
    return client, reply.params["token"], reply.params["user"]


async def confirm(client, token):
    answer = [{"meth": "email", "resp": "123456"}]
    login = {"scheme": "token", "secret": token, "cred": answer}
    return await client.request({"login": login})


async def test_a_token_that_waited_for_a_code_is_void_after_a_new_password(tmp_path, time):
    async with confirming(tmp_path, time) as server:
        ann, token, user = await sign_up(server, "ann")
        thief = await visitor(server)
        login = {"scheme": "basic", "secret": b64("ann:ann-password")}
        stolen = (await thief.request({"login": login})).params["token"]
        assert (await confirm(ann, token)).code == 200
        acc = {"user": user, "scheme": "basic", "secret": b64("ann:another-password")}
        await ann.request({"acc": acc})
        assert await refused(by_token(server, stolen)) == 401


async def test_accounts_never_confirmed_are_deleted_in_the_end(tmp_path, time):
    async with confirming(tmp_path, time, unvalidated_days=3) as server:
        _, _, never = await sign_up(server, "never")
        client, token, user = await sign_up(server, "came")
        await confirm(client, token)
        made = (await server.server.store.fetch(UserById(never))) is not None
        assert made
        await time.pass_by(server, 2)
        _, _, late = await sign_up(server, "late")
        await time.pass_by(server, 1.5)
        left = [await server.server.store.fetch(UserById(who)) for who in (never, user, late)]
        assert [row is not None for row in left] == [False, True, True]
        assert await refused(by_password(server, "never")) == 401
        await sign_up(server, "never")


async def test_nothing_is_deleted_unless_the_operator_says_so(tmp_path, time):
    async with confirming(tmp_path, time) as server:
        _, _, user = await sign_up(server, "never")
        await time.pass_by(server, 60)
        assert await server.server.store.fetch(UserById(user)) is not None


async def anonymous(server):
    client = await visitor(server)
    reply = await client.request({"acc": {"user": "new", "scheme": "anonymous", "login": True}})
    return client, reply.params["token"], reply.params["user"]


async def test_anonymous_accounts_end_after_their_last_token(tmp_path, time):
    token_life = {"token": {"expire": 2 * 86400}}
    async with confirming(tmp_path, time, anonymous_days=1, **token_life) as server:
        gone, _, over = await anonymous(server)
        await gone.aclose()
        _, _, here = await anonymous(server)
        busy, token, back = await anonymous(server)
        await busy.aclose()
        client, code, ann = await sign_up(server, "ann")
        await confirm(client, code)
        await client.aclose()
        await time.pass_by(server, 1.5)
        token = (await by_token(server, token)).params["token"]
        await time.pass_by(server, 2)
        found = {who: await server.server.store.fetch(UserById(who)) for who in (over, here, back)}
        assert [row is not None for row in found.values()] == [False, True, True]
        assert await server.server.store.fetch(UserById(ann)) is not None
