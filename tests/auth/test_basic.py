from __future__ import annotations

from typing import Any, TypeVar, cast

import bcrypt
import pytest

from tinode_py import errors
from tinode_py.access import Level
from tinode_py.auth.base import Identity, Origin
from tinode_py.auth.basic import Basic, split
from tinode_py.auth.checker import PasswordChecker
from tinode_py.auth.passwords import Argon2
from tinode_py.changes import Batch, Committed, Outcome, PutLogin
from tinode_py.errors import Answer, Refused
from tinode_py.queries import LoginByName, LoginsOf, Query
from tinode_py.records import Login
from tinode_py.settings.accounts import Basic as Rules

T = TypeVar("T")
ALICE = "usrAAAAAAAAAAE"
BOB = "usrAAAAAAAAAAI"
WHAT = {"what": "auth"}


class PlainHasher:
    def encode(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, password: str, encoded: str | None) -> bool:
        return encoded == self.encode(password)


class FakeLogins:
    """The rows that a scheme asks for."""

    def __init__(self, *rows: Login) -> None:
        self.rows = rows

    async def commit(self, batch: Batch) -> Outcome:
        (change,) = batch.changes
        assert isinstance(change, PutLogin)
        fresh = change.login
        self.rows = tuple(fresh if row.name == fresh.name else row for row in self.rows)
        return Committed()

    async def fetch(self, query: Query[T]) -> T:
        found: Any
        if isinstance(query, LoginByName):
            wanted = (query.scheme, query.name)
            found = next((row for row in self.rows if (row.scheme, row.name) == wanted), None)
        else:
            assert isinstance(query, LoginsOf)
            found = tuple(row for row in self.rows if row.user == query.user)
        return cast(T, found)


def basic(*rows: Login) -> Basic:
    return Basic(FakeLogins(*rows), PasswordChecker(PlainHasher(), inline=True), Rules())


def row(name: str, password: str, user: str, **more: Any) -> Login:
    return Login("basic", name, user, f"plain:{password}", **more)


def answer(caught: pytest.ExceptionInfo[Refused]) -> tuple[Answer, object]:
    return caught.value.answer, caught.value.params


def test_the_first_colon_ends_the_login() -> None:
    pair = split(b"Alice:a:b")
    assert (pair.login, pair.password) == ("alice", "a:b")
    assert "a:b" not in repr(pair)


async def test_a_right_password_proves_the_user() -> None:
    scheme = basic(row("alice", "secret1", ALICE))
    found = await scheme.log_in(b"ALICE:secret1", Origin(), 0)
    assert found == Identity(ALICE, Level.AUTH)


async def test_the_level_is_the_logins() -> None:
    scheme = basic(row("alice", "secret1", ALICE, level=Level.ROOT))
    assert (await scheme.log_in(b"alice:secret1", Origin(), 0)).level is Level.ROOT


@pytest.mark.parametrize("secret", [b"alice:wrong", b"nobody:secret1", b":", b"alice:", b"a:b"])
async def test_wrong_and_unknown_are_answered_alike(secret: bytes) -> None:
    with pytest.raises(Refused) as caught:
        await basic(row("alice", "secret1", ALICE)).log_in(secret, Origin(), 0)
    assert answer(caught) == (errors.AUTH_FAILED, None)


async def test_a_login_may_end() -> None:
    scheme = basic(row("alice", "secret1", ALICE, expires=1000))
    assert await scheme.log_in(b"alice:secret1", Origin(), 999)
    with pytest.raises(Refused) as caught:
        await scheme.log_in(b"alice:secret1", Origin(), 1000)
    assert answer(caught) == (errors.AUTH_FAILED, None)


@pytest.mark.parametrize("secret", [b"nocolon", b"", b"al\xffice:secret1"])
async def test_a_malformed_secret(secret: bytes) -> None:
    scheme = basic()
    with pytest.raises(Refused) as caught:
        await scheme.log_in(secret, Origin(), 0)
    assert answer(caught) == (errors.MALFORMED, None)
    with pytest.raises(Refused) as caught:
        await scheme.enroll(ALICE, secret, Origin())
    assert answer(caught) == (errors.MALFORMED, WHAT)


@pytest.mark.parametrize(
    "login", ["ab", "", "_alice", "alice.", "al ice", "al/ice", "al\0ice", "x" * 27, "._.."]
)
async def test_logins_that_nobody_may_have(login: str) -> None:
    with pytest.raises(Refused) as caught:
        await basic().enroll(ALICE, f"{login}:secret1".encode(), Origin())
    assert answer(caught) == (errors.POLICY, WHAT)


@pytest.mark.parametrize("login", ["alice", "a.b_c9", "x" * 26, "Алиса", "ผู้ใช้งาน"])
async def test_logins_that_one_may_have(login: str) -> None:
    made = await basic().enroll(ALICE, f"{login}:secret1".encode(), Origin())
    assert made == row(login.lower(), "secret1", ALICE)


@pytest.mark.parametrize("password", ["", "a", "short", "x" * 73, "é" * 37])
async def test_passwords_that_nobody_may_have(password: str) -> None:
    with pytest.raises(Refused) as caught:
        await basic().enroll(ALICE, f"alice:{password}".encode(), Origin())
    assert answer(caught) == (errors.POLICY, None)


@pytest.mark.parametrize("password", ["secret", "x" * 72, "é" * 36, "a:b:c:"])
async def test_passwords_that_one_may_have(password: str) -> None:
    made = await basic().enroll(ALICE, f"alice:{password}".encode(), Origin())
    assert made == row("alice", password, ALICE)


async def test_a_taken_login() -> None:
    with pytest.raises(Refused) as caught:
        await basic(row("alice", "secret1", ALICE)).enroll(BOB, b"Alice:secret2", Origin())
    assert answer(caught) == (errors.DUPLICATE_CREDENTIAL, WHAT)


@pytest.mark.parametrize("secret", [b":secret2", b"alice:secret2", b"ALICE:secret2"])
async def test_changing_the_password_alone(secret: bytes) -> None:
    scheme = basic(row("alice", "secret1", ALICE, level=Level.ROOT))
    changed = await scheme.change(ALICE, secret, Origin())
    assert changed == row("alice", "secret2", ALICE, level=Level.ROOT)


async def test_changing_the_login() -> None:
    scheme = basic(row("alice", "secret1", ALICE), row("bobby", "secret1", BOB))
    assert await scheme.change(ALICE, b"alicia:secret2", Origin()) == row(
        "alicia", "secret2", ALICE
    )
    with pytest.raises(Refused) as caught:
        await scheme.change(ALICE, b"bobby:secret2", Origin())
    assert answer(caught) == (errors.DUPLICATE_CREDENTIAL, None)


@pytest.mark.parametrize("secret", [b":short", b"x:secret2", b"alice:short"])
async def test_a_change_that_breaks_a_rule(secret: bytes) -> None:
    with pytest.raises(Refused) as caught:
        await basic(row("alice", "secret1", ALICE)).change(ALICE, secret, Origin())
    assert answer(caught) == (errors.POLICY, None)


async def test_a_password_for_someone_without_a_login() -> None:
    with pytest.raises(Refused) as caught:
        await basic().change(ALICE, b":secret2", Origin())
    assert answer(caught) == (errors.NOT_FOUND, None)


async def test_nobody_gets_a_login_who_has_none() -> None:
    with pytest.raises(Refused) as caught:
        await basic().change(ALICE, b"alice:secret2", Origin())
    assert answer(caught) == (errors.NOT_FOUND, None)


async def test_a_foreign_hash_lets_in_and_is_renewed() -> None:
    encoded = bcrypt.hashpw(b"pass:word", bcrypt.gensalt(4)).decode()
    logins = FakeLogins(Login("basic", "alice", "usrA", encoded, Level.AUTH))
    scheme = Basic(logins, PasswordChecker(Argon2(memory=8, passes=1), inline=True), Rules())
    with pytest.raises(Refused):
        await scheme.log_in(b"alice:wrong", Origin("1"), 1)
    assert logins.rows[0].secret == encoded
    identity = await scheme.log_in(b"alice:pass:word", Origin("1"), 1)
    assert identity.user == "usrA"
    assert logins.rows[0].secret.startswith("$argon2id$")
    assert (await scheme.log_in(b"alice:pass:word", Origin("1"), 1)).user == "usrA"


@pytest.mark.parametrize("damaged", ["$2", "$2a$10$short", "$2a$99$" + "a" * 53])
async def test_a_damaged_foreign_hash_lets_nobody_in(damaged: str) -> None:
    logins = FakeLogins(Login("basic", "alice", "usrA", damaged, Level.AUTH))
    scheme = Basic(logins, PasswordChecker(Argon2(memory=8, passes=1), inline=True), Rules())
    for password in (b"x", b"x" * 100):
        with pytest.raises(Refused):
            await scheme.log_in(b"alice:" + password, Origin("1"), 1)
