"""The scheme `basic`: a login and a password, sent as `login:password`.

A login is lower-cased, begins and ends with a letter or digit, and has `_` and `.` inside.
It has at most 26 characters, so that `basic:<login>` fits a tag of the reference server.
A password has at most 72 bytes. It may hold colons: the first one ends the login.
"""

from __future__ import annotations

import unicodedata

import attrs

from .. import errors
from ..access import Level
from ..changes import Batch, PutLogin
from ..errors import Refused
from ..queries import LoginByName, LoginsOf
from ..records import Login
from ..settings.accounts import Basic as Rules
from .base import Identity, Keeper, Origin
from .checker import PasswordChecker
from .passwords import is_foreign

SCHEME = "basic"
MAX_LOGIN = 26  # characters
MAX_PASSWORD = 72  # bytes
_WHAT = {"what": "auth"}


@attrs.frozen
class Pair:
    login: str
    password: str = attrs.field(repr=False)


def split(secret: bytes) -> Pair:
    """Both parts, the login lower-cased; 400 if there is no colon or no UTF-8."""
    try:
        login, colon, password = secret.decode("utf-8").partition(":")
    except UnicodeDecodeError:
        raise Refused(errors.MALFORMED) from None
    if not colon:
        raise Refused(errors.MALFORMED)
    return Pair(login.lower(), password)


def check_login(login: str, rules: Rules) -> None:
    """422 with `what` if nobody may have this login."""
    if not (rules.min_login <= len(login) <= MAX_LOGIN and _is_login(login)):
        raise Refused(errors.POLICY, _WHAT)


def check_password(password: str, rules: Rules) -> None:
    """422, without params, if nobody may have this password."""
    if len(password) < rules.min_password or len(password.encode()) > MAX_PASSWORD:
        raise Refused(errors.POLICY)


def _is_login(login: str) -> bool:
    inside = all(char in "_." or char.isalnum() or _is_mark(char) for char in login)
    return inside and login[:1].isalnum() and login[-1:].isalnum()


def _is_mark(char: str) -> bool:
    """Vowel signs and the like: letters of many scripts are written with them."""
    return unicodedata.category(char).startswith("M")


class Basic:
    """Logs in with a password, opens accounts with one, changes it."""

    level = Level.AUTH

    def __init__(self, store: Keeper, checker: PasswordChecker, rules: Rules) -> None:
        self._store = store
        self._checker = checker
        self._rules = rules

    async def log_in(self, secret: bytes, origin: Origin, now: int) -> Identity:
        """401 for an unknown login and a wrong password alike, after the same work."""
        pair = split(secret)
        row = await self._store.fetch(LoginByName(SCHEME, pair.login))
        encoded = row.secret if row else None
        right = await self._checker.check(pair.password, encoded, pair.login, origin)
        if row is None or not right or 0 < row.expires <= now:
            raise Refused(errors.AUTH_FAILED)
        if is_foreign(row.secret):
            await self._renew(row, pair.password, origin)
        return Identity(row.user, row.level)

    async def _renew(self, row: Login, password: str, origin: Origin) -> None:
        """Replace a hash of another server's by one of ours, unless it was changed meanwhile."""
        encoded = await self._checker.hash(password, origin)
        now = await self._store.fetch(LoginByName(SCHEME, row.name))
        if now == row:
            await self._store.commit(Batch((PutLogin(attrs.evolve(row, secret=encoded)),)))

    async def enroll(self, user: str, secret: bytes, origin: Origin) -> Login | None:
        """409 at once if the login is taken now, before a password is hashed."""
        return await self._row(user, _split_new(secret), origin)

    async def change(self, user: str, secret: bytes, origin: Origin) -> Login:
        """Without a login in `secret`, or with the same, only the password changes.

        404 for an account that has no login of this scheme: an anonymous one stays what it is.
        """
        pair = split(secret)
        mine = await self.login_of(user)
        if mine is None:
            raise Refused(errors.NOT_FOUND)
        if pair.login in ("", mine.name):
            check_password(pair.password, self._rules)
            encoded = await self._checker.hash(pair.password, origin)
            return attrs.evolve(mine, secret=encoded)
        try:
            return await self._row(user, pair, origin)
        except Refused as refused:  # what is wrong is told at sign-up only
            raise Refused(refused.answer) from None

    async def login_of(self, user: str) -> Login | None:
        """The row of this scheme that `user` has."""
        rows = await self._store.fetch(LoginsOf(user))
        return next((row for row in rows if row.scheme == SCHEME), None)

    async def _row(self, user: str, pair: Pair, origin: Origin) -> Login:
        check_login(pair.login, self._rules)
        check_password(pair.password, self._rules)
        taken = await self._store.fetch(LoginByName(SCHEME, pair.login))
        if taken and taken.user != user:
            raise Refused(errors.DUPLICATE_CREDENTIAL, _WHAT)
        encoded = await self._checker.hash(pair.password, origin)
        return Login(SCHEME, pair.login, user, encoded)


def _split_new(secret: bytes) -> Pair:
    try:
        return split(secret)
    except Refused as refused:
        raise Refused(refused.answer, _WHAT) from None
