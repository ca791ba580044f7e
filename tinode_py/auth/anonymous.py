"""The scheme `anonymous`: accounts without a login, which live as long as their token."""

from __future__ import annotations

from .. import errors
from ..access import Level
from ..errors import Refused
from ..records import Login
from .base import Identity, Origin


class Anonymous:
    """Opens accounts, never logs in: to come back, the client keeps its token."""

    level = Level.ANON

    def __init__(self, *, allowed: bool = True) -> None:
        self.allowed = allowed

    async def log_in(self, secret: bytes, origin: Origin, now: int) -> Identity:
        raise Refused(errors.NOT_IMPLEMENTED)

    async def enroll(self, user: str, secret: bytes, origin: Origin) -> Login | None:
        """None: nothing is kept. Refused if the operator does not want such accounts."""
        if not self.allowed:
            raise Refused(errors.DENIED)
        return None

    async def change(self, user: str, secret: bytes, origin: Origin) -> Login:
        raise Refused(errors.NOT_IMPLEMENTED)
