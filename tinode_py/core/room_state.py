"""What a room's task keeps in memory: who is in it, and the number of the last message.

Nothing of a room is stored: it has no rows to load, and its changes are not committed.
"""

from __future__ import annotations

import attrs

from .. import access
from ..changes import AppendMessage, Change
from .effects import Attach, Attached, Detach, Effect
from .state import Attachments

MODE = access.parse_set("JRWP")  # of everybody who is in a room


@attrs.define
class RoomState:
    """A room. It is there as long as a session is in it; nobody counts as being away."""

    name: str
    attached: Attachments = attrs.field(factory=Attachments)
    online: bool = False
    off_at: int = 0
    version: int = 0  # of the modes, which never change
    seq: int = 0  # of the last message; from 1 as long as the room is there

    @property
    def last_seq(self) -> int:
        """Messages are not numbered here, or not kept."""
        return 0

    @property
    def is_void(self) -> bool:
        """There is nothing of this name but who is here: the last one takes the room with him."""
        return True

    @property
    def wake_at(self) -> int:
        """Nothing is ever due here."""
        return 0

    def load(self) -> None:
        """There is nothing to load; who is here stays."""

    def apply(self, change: Change) -> None:
        if isinstance(change, AppendMessage):
            self.seq = change.message.seq

    def follow(self, effect: Effect) -> None:
        """Keep the table in step with the effects that are carried out."""
        match effect:
            case Attach():
                self.attached.add(effect.attached)
            case Detach():
                self.attached.remove(effect.sid)
            case _:
                pass  # the rest concerns others

    def mode(self, attached: Attached) -> int:
        return MODE

    def address(self, user: str, *, reader: bool = False) -> str:
        """A room has one name for all."""
        return self.name

    def is_in(self, user: str) -> bool:
        """Whether a session of the user is here."""
        return bool(self.attached.of(user))
