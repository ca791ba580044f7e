from __future__ import annotations

import pytest

from tinode_py.auth.passwords import Argon2


@pytest.fixture(scope="module")
def hasher() -> Argon2:
    return Argon2(memory=8, passes=1)


def test_what_was_encoded_is_verified(hasher: Argon2) -> None:
    encoded = hasher.encode("secret1")
    assert encoded.startswith("$argon2id$")
    assert hasher.verify("secret1", encoded)
    assert not hasher.verify("secret2", encoded)


def test_each_hash_has_its_own_salt(hasher: Argon2) -> None:
    assert hasher.encode("secret1") != hasher.encode("secret1")


def test_no_hash_is_no_password(hasher: Argon2) -> None:
    assert not hasher.verify("", None)
    assert not hasher.verify("", "")
    assert not hasher.verify("secret1", "damaged")


def test_another_cost_still_verifies(hasher: Argon2) -> None:
    assert Argon2(memory=16, passes=2).verify("secret1", hasher.encode("secret1"))
