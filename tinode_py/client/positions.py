"""Where a program has got to, kept while it does not run.

A position belongs to a user and a stream: `inbox` for private messages and notices, else the
name of a topic. Everything up to it has been dealt with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import attrs
import trio


class Positions(Protocol):
    """A store of positions. Yours may be anything that keeps numbers."""

    async def load(self, user: str) -> Mapping[str, int]:
        """All positions of a user; empty if he has none."""

    async def save(self, user: str, positions: Mapping[str, int]) -> None:
        """Keep all positions of a user, in place of those before. Not called twice at a time."""


@attrs.define(eq=False)
class MemoryPositions:
    """Positions that last as long as this object."""

    _kept: dict[str, dict[str, int]] = attrs.field(factory=dict)

    async def load(self, user: str) -> Mapping[str, int]:
        return self.read(user)

    async def save(self, user: str, positions: Mapping[str, int]) -> None:
        self.write(user, positions)

    def read(self, user: str) -> Mapping[str, int]:
        """As `load`, for programs without Trio."""
        return dict(self._kept.get(user, {}))

    def write(self, user: str, positions: Mapping[str, int]) -> None:
        """As `save`, for programs without Trio."""
        self._kept[user] = dict(positions)


@attrs.define(eq=False)
class FilePositions:
    """Positions in a JSON file: written anew each time, synced, and put in place at once.

    A crash leaves the old file or the new one. A file that is none of ours is a ValueError,
    which names it.
    """

    path: Path = attrs.field(converter=Path)

    async def load(self, user: str) -> Mapping[str, int]:
        return await trio.to_thread.run_sync(self.read, user)

    async def save(self, user: str, positions: Mapping[str, int]) -> None:
        await trio.to_thread.run_sync(self.write, user, dict(positions))

    def read(self, user: str) -> Mapping[str, int]:
        """As `load`, for programs without Trio. Blocks."""
        return dict(self._all().get(user, {}))

    def _all(self) -> dict[str, dict[str, int]]:
        try:
            found = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ValueError(f"{self.path} holds no positions: {error}") from None
        if not _is_positions(found):
            raise ValueError(f"{self.path} holds no positions")
        return found  # type: ignore[no-any-return]

    def write(self, user: str, positions: Mapping[str, int]) -> None:
        """As `save`, for programs without Trio. Blocks."""
        text = json.dumps({**self._all(), user: dict(positions)}, indent=1)
        beside = self.path.with_name(self.path.name + ".new")
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)


def _is_positions(found: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(kept, dict) and all(type(number) is int for number in kept.values())
        for kept in found.values()
    )
