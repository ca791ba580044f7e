"""The scheme `code`: once, in time, a few tries."""

from __future__ import annotations

import attrs
import pytest

from tinode_py import errors
from tinode_py.auth.base import NO_LOGIN, VALIDATED, Origin
from tinode_py.auth.code import Code, Waiting
from tinode_py.changes import Batch, PutLogin
from tinode_py.core import codes
from tinode_py.errors import Refused
from tinode_py.queries import LoginByName
from tinode_py.records import Login
from tinode_py.settings.accounts import Code as Rules
from tinode_py.store.memory import MemoryStore

USER = "usrAAAAAAAAAAE"
NAME = "email:ann@example.com"
NOW = 1_000_000


@pytest.fixture
async def store():
    made = MemoryStore()
    waiting = Waiting("salt", codes.digest("salt", "123456"))
    row = Login("code", NAME, USER, str(waiting), expires=NOW + 1000)
    await made.commit(Batch((PutLogin(row),)))
    return made


def secret(code: str, name: str = NAME) -> bytes:
    return f"{code}:{name}".encode()


async def refused(store, given: bytes, now: int = NOW) -> errors.Answer:
    with pytest.raises(Refused) as caught:
        await Code(store, Rules()).log_in(given, Origin(), now)
    return caught.value.answer


async def test_the_right_code_proves_who_it_is_for_one_purpose(store):
    identity = await Code(store, Rules()).log_in(secret("123456"), Origin(), NOW)
    assert identity.user == USER
    assert identity.features == VALIDATED | NO_LOGIN
    assert not identity.may_log_in


async def test_a_code_is_used_up(store):
    await Code(store, Rules()).log_in(secret("123456"), Origin(), NOW)
    assert await refused(store, secret("123456")) is errors.AUTH_FAILED


async def test_a_code_ends_after_the_wrong_tries(store):
    for _ in range(Rules().max_retries):
        assert await refused(store, secret("000000")) is errors.AUTH_FAILED
    assert await store.fetch(LoginByName("code", NAME)) is None
    assert await refused(store, secret("123456")) is errors.AUTH_FAILED


async def test_a_code_ends_with_its_time(store):
    assert await refused(store, secret("123456"), NOW + 1000) is errors.AUTH_FAILED


@pytest.mark.parametrize("given", [b"", b"123456", b"123456:email", b"\xff:a:b"])
async def test_what_is_no_such_secret_is_malformed(store, given):
    assert await refused(store, given) is errors.MALFORMED


async def test_an_unknown_address_is_like_a_wrong_code(store):
    assert await refused(store, secret("123456", "email:bob@x.y")) is errors.AUTH_FAILED


async def test_the_case_of_an_address_does_not_matter(store):
    given = secret("123456", "email:ANN@example.com")
    assert (await Code(store, Rules()).log_in(given, Origin(), NOW)).user == USER


def test_what_is_kept_can_be_read_back_and_does_not_tell_the_code():
    waiting = attrs.evolve(Waiting("s", codes.digest("s", "42")), tries=2)
    assert Waiting.parse(str(waiting)) == waiting
    assert waiting.is_for("42")
    assert not waiting.is_for("43")
    assert "42" not in str(waiting).split("$")[0]
