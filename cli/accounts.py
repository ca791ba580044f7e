"""What `tinode-py user` does to a store: the same records as an {acc} would make."""

from __future__ import annotations

import json

import attrs

from tinode_py.access import Level
from tinode_py.auth.basic import SCHEME, check_login, check_password
from tinode_py.auth.passwords import Argon2
from tinode_py.changes import Batch, Conflict, PutLogin
from tinode_py.config import Settings
from tinode_py.core.account import creation, new_user
from tinode_py.core.decision import Env
from tinode_py.errors import Refused
from tinode_py.queries import LoginByName
from tinode_py.records import Login
from tinode_py.store.base import Store
from tinode_py.wire.packets import Acc, Json, SetDesc

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
    account = new_user(wanted.user, _request(wanted), row, Env(settings, wanted.now, _nobody))
    outcome = await store.commit(Batch(creation(account, row)))
    if isinstance(outcome, Conflict):
        raise Failure(f"the login {login!r} is taken")


def _request(wanted: NewAccount) -> Acc:
    if not wanted.name:
        return Acc(user="new")
    public = json.dumps({"fn": wanted.name}, ensure_ascii=False).encode()
    return Acc(user="new", desc=SetDesc(public=Json(public)))


def _nobody(name: str) -> bool:
    """Who is online while no server runs."""
    return False


async def find(store: Store, login: str) -> Login:
    """The login's row; Failure if there is none."""
    row = await store.fetch(LoginByName(SCHEME, login.lower()))
    if row is None:
        raise Failure(f"nobody has the login {login!r}")
    return row


async def raise_to_root(store: Store, row: Login) -> None:
    """Sessions that log in with it from now on are root's; tokens given out before are not."""
    await store.commit(Batch((PutLogin(attrs.evolve(row, level=Level.ROOT)),)))
