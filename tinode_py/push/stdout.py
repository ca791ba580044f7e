"""Notifications as lines of JSON, for people who look how it works."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

import attrs

from .base import Notification
from .shape import as_json


@attrs.frozen
class Stdout:
    """Writes each notification to a stream, standard output by default."""

    stream: TextIO | None = None
    name: str = "stdout"
    devices_only: bool = False

    async def push(self, batch: Sequence[Notification]) -> Sequence[str]:
        """Never fails: where nobody reads, the lines are lost."""
        stream = self.stream or sys.stdout
        try:
            for notification in batch:
                stream.write(as_json(notification).decode() + "\n")
            stream.flush()
        except OSError:
            return ()
        return ()
