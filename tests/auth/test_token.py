from __future__ import annotations

import hashlib
import hmac
import struct

import pytest

from tinode_py import errors, ids
from tinode_py.access import Level
from tinode_py.auth.base import NO_LOGIN, VALIDATED, Identity
from tinode_py.auth.token import TokenKeeper
from tinode_py.errors import Answer, Refused

KEY = b"k" * 32
USER = "usrAAAAAAAAAAE"
NOW = 1_700_000_000_000


def keeper(key: bytes = KEY, serial: int = 7) -> TokenKeeper:
    return TokenKeeper(key, serial=serial, expire=100)


def refusal(token: bytes, now: int = NOW, by: TokenKeeper | None = None) -> Answer:
    with pytest.raises(Refused) as caught:
        (by or keeper()).check(token, now)
    assert caught.value.params is None
    return caught.value.answer


def signed(body: bytes) -> bytes:
    return body + hmac.digest(KEY, body, hashlib.sha256)


def test_the_layout() -> None:
    token, expires = keeper().make(USER, Level.AUTH, VALIDATED | 5 << 2, NOW + 999)
    assert len(token) == 50
    assert struct.unpack("<QIHHH", token[:18]) == (ids.user_number(USER), 1_700_000_100, 20, 7, 21)
    assert token == signed(token[:18])
    assert expires == 1_700_000_100_000


def test_a_token_names_its_user() -> None:
    token, expires = keeper().make(USER, Level.ROOT, VALIDATED | 9 << 2, NOW)
    found = keeper().check(token, NOW)
    assert found == Identity(USER, Level.ROOT, VALIDATED | 9 << 2, expires)
    assert found.validated
    assert found.may_log_in
    assert found.login_number == 9


def test_a_token_for_one_purpose() -> None:
    token, _ = keeper().make(USER, Level.AUTH, NO_LOGIN, NOW, expire=5)
    found = keeper().check(token, NOW + 4999)
    assert not found.may_log_in
    assert not found.validated
    assert refusal(token, NOW + 5000) is errors.AUTH_FAILED


@pytest.mark.parametrize("token", [b"", b"short", b"x" * 49, b"x" * 51])
def test_a_wrong_length_is_malformed(token: bytes) -> None:
    assert refusal(token) is errors.MALFORMED


def test_no_bit_can_be_changed() -> None:
    token, _ = keeper().make(USER, Level.AUTH, VALIDATED, NOW)
    for bit in range(len(token) * 8):
        forged = bytearray(token)
        forged[bit // 8] ^= 1 << bit % 8
        assert refusal(bytes(forged)) is errors.AUTH_FAILED


def test_another_key_or_serial_ends_all() -> None:
    token, _ = keeper().make(USER, Level.AUTH, VALIDATED, NOW)
    assert refusal(token, by=keeper(key=b"x" * 32)) is errors.AUTH_FAILED
    assert refusal(token, by=keeper(serial=8)) is errors.AUTH_FAILED


def test_it_ends_with_its_last_second() -> None:
    token, expires = keeper().make(USER, Level.AUTH, VALIDATED, NOW)
    assert keeper().check(token, expires - 1)
    assert refusal(token, expires) is errors.AUTH_FAILED


@pytest.mark.parametrize("level", [0, 1, 25, 65535])
def test_a_level_that_is_none(level: int) -> None:
    token = signed(struct.pack("<QIHHH", 1, 2_000_000_000, level, 7, 1))
    assert refusal(token) is errors.AUTH_FAILED
