from __future__ import annotations

import pytest

from tinode_py.config import Settings
from tinode_py.core import query, rewrite
from tinode_py.core.query import Terms
from tinode_py.testing import running_server

ON = {"required": ["auth"], "add_to_tags": True}
BOTH = Settings.of(validators={"email": ON, "tel": ON})
ANN = "ann@example.org"


def searched(text: str, settings: Settings = BOTH, where: str = "US") -> Terms:
    parsed = query.parse(text)
    assert parsed is not None
    return rewrite.rewritten(parsed, where, settings)


def test_an_address_is_looked_for_as_one():
    assert searched("Ann@Example.org").required == ((ANN, f"email:{ANN}"),)
    assert searched(f"bees {ANN}").required == (("bees",), (ANN, f"email:{ANN}"))
    assert searched(f"bees,{ANN}").optional == ("bees", ANN, f"email:{ANN}")
    assert searched(f"email:{ANN}").required == ((f"email:{ANN}",),)


def test_a_phone_number_is_looked_for_as_one():
    assert searched("+14155550123").required == (("+14155550123", "tel:+14155550123"),)
    assert searched("4155550123").required == (("4155550123", "tel:+14155550123"),)
    assert searched("030-123456", where="DE").required == (("030-123456", "tel:+4930123456"),)
    assert searched("123456", where="XX").required == (("123456",),)


def test_only_what_becomes_a_tag_here():
    assert searched(ANN, Settings()).required == ((ANN,),)
    off = Settings.of(validators={"email": {"required": ["auth"]}})
    assert searched(ANN, off).required == ((ANN,),)


def test_what_can_be_no_tag_is_left_out():
    assert searched("x1y:a/b bees zz:a*b").required == (("bees",),)
    assert searched("x").required == ()


@pytest.mark.parametrize(
    ("text", "where", "number"),
    [
        ("0049 30 123456", "US", "+4930123456"),
        ("(415) 555-0123", "US", "+14155550123"),
        ("1 415 555 0123", "CA", "+14155550123"),
        ("06 12345678", "IT", "+390612345678"),
        ("8 912 3456789", "RU", "+79123456789"),
        ("+0123456789", "US", ""),
        ("bees", "US", ""),
        ("12", "US", ""),
    ],
)
def test_numbers(text: str, where: str, number: str):
    assert rewrite.phone(text, where) == number


@pytest.mark.parametrize(
    ("language", "where"),
    [("de-AT", "AT"), ("en_GB", "GB"), ("zh-Hans-CN", "CN"), ("de", "US"), ("", "US"), ("?", "US")],
)
def test_where_a_session_is(language: str, where: str):
    assert rewrite.country(language, Settings()) == where


async def test_masked_namespaces_are_not_searched(autojump_clock):
    async with running_server(tags={"masked": ["city"], "restricted": ["team"]}) as server:
        ann = await server.user("ann", tags=["city:ulm", "bees"])
        bob = await server.user("bob")
        await bob.sub("fnd")
        for text, code in (("city:ulm", 403), ("bees,city:ulm", 403), ("bees", 200)):
            await bob.set("fnd", desc={"public": text})
            await bob.send({"get": {"id": "q", "topic": "fnd", "what": "sub"}})
            packet = await bob.receive()
            assert packet.get("ctrl", {"code": 200})["code"] == code
        await ann.sub("me")
        await ann.send({"set": {"id": "t", "topic": "me", "tags": ["team:red"]}})
        assert (await ann.receive())["ctrl"]["code"] == 403
