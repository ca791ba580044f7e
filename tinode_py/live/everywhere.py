"""What is so on all nodes together, as far as one has to ask the others; on one node, what is so
here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from .hub import Hub


@attrs.frozen(eq=False)
class Everywhere:
    """Asks the other nodes, and answers them. `here` is this node's hub."""

    here: Hub

    def answerers(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """What the others may ask, by the name of the question."""
        return {"scheduled": self._scheduled}

    # --- messages to be sent later -------------------------------------------------------

    def note_scheduled(self) -> None:
        """More is to be sent later, by whichever node does that."""
        self.here.scheduled.set()
        if self.here.companions is not None:
            self.here.companions.tell_all("scheduled")

    async def _scheduled(self) -> None:
        self.here.scheduled.set()
