"""The scheme `token`: 50 bytes that the server signs and nobody needs to look up.

0  8  user, little-endian      14  2  serial number from the settings
8  4  expiry, Unix seconds     16  2  features: VALIDATED, NO_LOGIN, login number
12 2  level                    18 32  HMAC-SHA256 over bytes 0-17
"""

from __future__ import annotations

import hashlib
import hmac
import struct

from .. import errors, ids
from ..access import Level
from ..errors import Refused
from ..records import Login
from .base import Identity, Origin

LENGTH = 50
_BODY = struct.Struct("<QIHHH")
_LEVELS = frozenset(Level) - {Level.NONE}


class TokenKeeper:
    """Makes and checks tokens. Another `key` or `serial` makes all earlier ones invalid."""

    level = Level.AUTH

    def __init__(self, key: bytes, *, serial: int, expire: int) -> None:
        self._key = key
        self._serial = serial
        self._expire = expire

    def make(
        self, user: str, level: Level, features: int, now: int, *, expire: int | None = None
    ) -> tuple[bytes, int]:
        """A token and the time of its end in milliseconds, both to whole seconds.

        It lives `expire` seconds from `now` (milliseconds); without it, as the settings say.
        """
        until = now // 1000 + (self._expire if expire is None else expire)
        body = _BODY.pack(ids.user_number(user), until, level, self._serial, features)
        return body + self._sign(body), until * 1000

    def check(self, token: bytes, now: int) -> Identity:
        """Whom the token names. Refused: 400 for a wrong length, else 401 without a reason.

        Whether the account still exists is not looked at.
        """
        if len(token) != LENGTH:
            raise Refused(errors.MALFORMED)
        body, signature = token[: _BODY.size], token[_BODY.size :]
        if not hmac.compare_digest(self._sign(body), signature):
            raise Refused(errors.AUTH_FAILED)
        number, until, level, serial, features = _BODY.unpack(body)
        if serial != self._serial or until * 1000 <= now or level not in _LEVELS:
            raise Refused(errors.AUTH_FAILED)
        return Identity(ids.user_name(number), Level(level), features, until * 1000)

    async def log_in(self, secret: bytes, origin: Origin, now: int) -> Identity:
        """As `check`; never waits."""
        return self.check(secret, now)

    async def enroll(self, user: str, secret: bytes, origin: Origin) -> Login | None:
        raise Refused(errors.NOT_IMPLEMENTED, {"what": "auth"})

    async def change(self, user: str, secret: bytes, origin: Origin) -> Login:
        raise Refused(errors.NOT_IMPLEMENTED)

    def _sign(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, hashlib.sha256)
