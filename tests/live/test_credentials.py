"""Addresses that must be confirmed, end to end, with a courier that can be read."""

from __future__ import annotations

import base64
import contextlib
import os
from typing import Any

import attrs
import pytest

from tinode_py import testing
from tinode_py.client import ClientError
from tinode_py.mail.base import Letter
from tinode_py.server import Parts

SETTINGS: Any = {"validators": {"email": {"required": ["auth"], "add_to_tags": True}}}


@attrs.frozen
class Pocket:
    """A courier that keeps what it should bring."""

    letters: list[Letter] = attrs.field(factory=list)

    async def bring(self, letter: Letter) -> None:
        self.letters.append(letter)

    @property
    def code(self) -> str:
        return self.letters[-1].code


def secret(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@contextlib.asynccontextmanager
async def serving():
    pocket = Pocket()
    parts = Parts(
        testing.trio_clock(),
        os.urandom,
        testing.CheapHasher(),
        inline=True,
        couriers={"email": pocket},
    )
    async with testing.running_server(parts=parts, **SETTINGS) as server:
        yield server, pocket


async def signed_up(server, address: str = "Ann@Example.com"):
    client = await server.open()
    await client.hi(lang="de")
    acc = {
        "user": "new",
        "scheme": "basic",
        "secret": secret("ann:secret1"),
        "login": True,
        "cred": [{"meth": "email", "val": address}],
    }
    reply = await client.request({"acc": acc})
    return client, reply


async def code_of(pocket, wait_all_tasks_blocked) -> str:
    await wait_all_tasks_blocked()
    return str(pocket.code)


@pytest.fixture
def settled():
    from trio.testing import wait_all_tasks_blocked

    return wait_all_tasks_blocked


async def confirmed(server, pocket, settled):
    client, reply = await signed_up(server)
    login = {
        "scheme": "token",
        "secret": reply.params["token"],
        "cred": [{"meth": "email", "resp": await code_of(pocket, settled)}],
    }
    reply = await client.request({"login": login})
    assert reply.code == 200
    return client


async def test_greeting_tells_what_is_required(autojump_clock):
    async with serving() as (server, _):
        client = await server.open()
        assert (await client.hi()).params["reqCred"] == {"auth": ["email"]}


async def test_an_account_is_entered_with_the_code_that_was_sent(autojump_clock, settled):
    async with serving() as (server, pocket):
        client, reply = await signed_up(server)
        assert (reply.code, reply.text) == (300, "validate credentials")
        assert reply.params["cred"] == ["email"]
        await settled()
        (letter,) = pocket.letters
        assert (letter.address, letter.purpose, letter.language) == (
            "ann@example.com",
            "confirm",
            "de",
        )
        with pytest.raises(ClientError, match="401"):
            await client.sub("me")
        login = {"scheme": "token", "secret": reply.params["token"]}
        wrong = {**login, "cred": [{"meth": "email", "resp": "x" + letter.code}]}
        assert (await client.request({"login": wrong})).code == 300
        right = {**login, "cred": [{"meth": "email", "resp": letter.code}]}
        assert (await client.request({"login": right})).code == 200
        await client.sub("me")
        await settled()
        meta = await client.get("me", "tags cred")
        assert "email:ann@example.com" in str(meta.packets)
        again = await server.open()
        await again.hi()
        assert (await again.login("ann", "secret1")).code == 200


async def test_without_an_address_no_account(autojump_clock):
    async with serving() as (server, _):
        client = await server.open()
        await client.hi()
        acc = {"user": "new", "scheme": "basic", "secret": secret("ann:secret1")}
        with pytest.raises(ClientError, match="422"):
            await client.request({"acc": acc})


async def test_a_confirmed_address_is_nobody_elses(autojump_clock, settled):
    async with serving() as (server, pocket):
        await confirmed(server, pocket, settled)
        other = await server.open()
        await other.hi()
        acc = {
            "user": "new",
            "scheme": "basic",
            "secret": secret("bob:secret1"),
            "cred": [{"meth": "email", "val": "ann@example.com"}],
        }
        with pytest.raises(ClientError, match="409"):
            await other.request({"acc": acc})


async def test_a_lost_password_is_replaced_by_a_code(autojump_clock, settled):
    async with serving() as (server, pocket):
        await confirmed(server, pocket, settled)
        client = await server.open()
        await client.hi()
        ask = {"login": {"scheme": "reset", "secret": secret("basic:email:ann@example.com")}}
        assert (await client.request(ask)).code == 301
        await settled()
        assert pocket.letters[-1].purpose == "reset"
        with pytest.raises(ClientError, match="409"):
            await client.request(ask)
        change = {
            "scheme": "basic",
            "secret": secret(":another1"),
            "tmpscheme": "code",
            "tmpsecret": secret(f"{pocket.code}:email:ann@example.com"),
        }
        assert (await client.request({"acc": change})).code == 200
        with pytest.raises(ClientError, match="401"):
            await client.request({"acc": change})
        with pytest.raises(ClientError, match="401"):
            await client.login("ann", "secret1")
        await client.login("ann", "another1")


async def test_nobody_learns_whether_an_address_is_known(autojump_clock, settled):
    async with serving() as (server, pocket):
        client = await server.open()
        await client.hi()
        ask = {"login": {"scheme": "reset", "secret": secret("basic:email:nobody@example.com")}}
        assert (await client.request(ask)).code == 301
        await settled()
        assert not pocket.letters


async def test_five_wrong_codes_end_the_trying(autojump_clock, settled):
    async with serving() as (server, pocket):
        client = await confirmed(server, pocket, settled)
        await client.sub("me")
        await client.set("me", cred={"meth": "email", "val": "two@example.com"})
        await settled()
        right = pocket.code
        for _ in range(4):
            with pytest.raises(ClientError, match="406"):
                await client.set("me", cred={"meth": "email", "resp": "nope"})
        with pytest.raises(ClientError, match="422"):
            await client.set("me", cred={"meth": "email", "resp": right})


async def test_the_last_required_address_stays(autojump_clock, settled):
    async with serving() as (server, pocket):
        client = await confirmed(server, pocket, settled)
        await client.sub("me")
        mine = {"meth": "email", "val": "ann@example.com"}
        with pytest.raises(ClientError, match="422"):
            await client.del_("cred", topic="me", cred=mine)
        await client.set("me", cred={"meth": "email", "val": "two@example.com"})
        await settled()
        await client.set("me", cred={"meth": "email", "resp": pocket.code})
        assert (await client.del_("cred", topic="me", cred=mine)).code == 200
        tags = await client.get("me", "tags")
        assert "email:two@example.com" in str(tags.packets)
        assert "ann@example.com" not in str(tags.packets)


@pytest.mark.parametrize("value", ["", "junk", "a@b", "x" * 130 + "@example.com", "a b@c.de"])
async def test_what_is_no_address_is_refused_by_name(autojump_clock, value):
    async with serving() as (server, _):
        with pytest.raises(ClientError, match=r"4[02][02]"):
            await signed_up(server, value)
