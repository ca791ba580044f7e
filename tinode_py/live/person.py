"""What a session knows of whom it talks to."""

from __future__ import annotations

import attrs

from .. import ids
from ..access import LEVELS, Level
from ..audit import Actor, Door
from ..auth.base import Origin
from ..core.events import Caller
from ..errors import MALFORMED, Refused
from ..wire.client_parts import Extra


@attrs.define
class Person:
    """The other end of a session: the client, and the user once he is logged in."""

    origin: Origin = attrs.field(factory=Origin)
    version: tuple[int, int, int] | None = None  # of the protocol; None before {hi}
    user: str = ""
    level: Level = Level.NONE
    user_agent: str = ""
    language: str = ""
    device: str = ""
    platform: str = ""
    background: bool = False
    number: int = 0  # of the login, in its tokens
    door: Door = "root"  # by which he came, if he is root
    polls: bool = False  # over long polling, where {hi} is answered 200

    @property
    def by(self) -> Actor | None:
        """Root, as the audit names him; None for anybody else."""
        if self.level is not Level.ROOT:
            return None
        if self.door == "root":
            return Actor(self.door, self.user, self.origin.address)
        return Actor(self.door, "", self.user_agent)

    @property
    def greeted(self) -> bool:
        return self.version is not None

    def caller(self, sid: str, extra: Extra | None) -> Caller:
        """Who asks, and for whom. Refused if `extra` names nobody; that only root may give one
        is looked at before.
        """
        user, level = self.user, self.level
        if extra and (extra.obo or extra.authlevel):
            if extra.obo:
                if not ids.is_user(extra.obo):
                    raise Refused(MALFORMED)
                user, level = extra.obo, Level.AUTH
            if extra.authlevel:
                if extra.authlevel not in LEVELS:
                    raise Refused(MALFORMED)
                level = LEVELS[extra.authlevel]
        return Caller(
            sid,
            user,
            level,
            self.user,
            self.user_agent,
            self.background,
            self.number,
            self.language,
            self.by,
        )
