"""What a session knows of whom it talks to."""

from __future__ import annotations

import attrs

from ..access import Level
from ..audit import Actor, Door
from ..auth.base import Origin


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
