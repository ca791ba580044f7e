"""What `tinode-py user` does to a store: the same records as an {acc} would make."""

from __future__ import annotations

import json

import attrs

from tinode_py import access
from tinode_py.access import Level
from tinode_py.auth.basic import SCHEME, check_login, check_password
from tinode_py.auth.passwords import Argon2
from tinode_py.changes import Batch, Conflict, PutLogin, PutUser
from tinode_py.config import Settings
from tinode_py.errors import Refused
from tinode_py.queries import LoginByName
from tinode_py.records import Login, User
from tinode_py.store.base import Store

from .failure import Failure


@attrs.frozen
class NewAccount:
    """What an operator asks for. `now` in milliseconds."""

    user: str
    login: str
    password: str = attrs.field(repr=False)
    name: str
    now: int


async def create(store: Store, settings: Settings, wanted: NewAccount) -> None:
    """Store the account and its login; Failure if the settings forbid it or the login is taken."""
    login = wanted.login.lower()
    rules = settings.auth.basic
    try:
        check_login(login, rules)
    except Refused:
        raise Failure(f"{login!r} cannot be a login: see auth.basic.min_login") from None
    try:
        check_password(wanted.password, rules)
    except Refused:
        raise Failure(
            "the password is too short or too long: see auth.basic.min_password"
        ) from None
    hasher = Argon2(memory=rules.hash_memory, passes=rules.hash_passes)
    row = Login(SCHEME, login, wanted.user, hasher.encode(wanted.password))
    outcome = await store.commit(Batch((PutUser(_account(settings, wanted, login)), PutLogin(row))))
    if isinstance(outcome, Conflict):
        raise Failure(f"the login {login!r} is taken")


def _account(settings: Settings, wanted: NewAccount, login: str) -> User:
    others = access.DELETE if settings.messages.p2p_delete else access.NONE
    public = json.dumps({"fn": wanted.name}, ensure_ascii=False).encode() if wanted.name else None
    return User(
        wanted.user,
        created=wanted.now,
        updated=wanted.now,
        auth=access.ACCOUNT_AUTH | others,
        public=public,
        tags=(f"{SCHEME}:{login}",),
    )


async def find(store: Store, login: str) -> Login:
    """The login's row; Failure if there is none."""
    row = await store.fetch(LoginByName(SCHEME, login.lower()))
    if row is None:
        raise Failure(f"nobody has the login {login!r}")
    return row


async def raise_to_root(store: Store, row: Login) -> None:
    """Sessions that log in with it from now on are root's; tokens given out before are not."""
    await store.commit(Batch((PutLogin(attrs.evolve(row, level=Level.ROOT)),)))
