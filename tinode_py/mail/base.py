"""The port of couriers: who brings a code to a person."""

from __future__ import annotations

from typing import Protocol

import attrs


@attrs.frozen
class Letter:
    """A code for a person. `purpose`: confirm (the address is his), reset (his password)."""

    method: str
    address: str
    code: str = attrs.field(repr=False)
    purpose: str
    language: str


class Courier(Protocol):
    """Brings codes of one method."""

    async def bring(self, letter: Letter) -> None:
        """Hand a letter over. OSError or ValueError if it could not be; it is not tried again."""
