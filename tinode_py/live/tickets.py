"""Tickets: a back end asks for one, and whoever opens a connection with it is logged in.

Kept in memory only: they live for seconds, and a server that starts anew has given out none.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import attrs

BYTES = 24  # of chance in a ticket
MOST = 10_000  # tickets that wait; the oldest makes room


@attrs.frozen
class Admission:
    """What a ticket is good for. `expires` is in milliseconds since 1970."""

    user: str
    expires: int
    metadata: bytes | None = None  # JSON
    attach: bool = False  # {hi} and {sub me} are implied


class Tickets:
    """Those that were given out and not used."""

    def __init__(self) -> None:
        self._waiting: dict[str, Admission] = {}

    def give(self, admission: Admission, random_bytes: Callable[[int], bytes], now: int) -> str:
        """A ticket, good for one connection until it expires."""
        if len(self._waiting) >= MOST:
            self._waiting = {t: a for t, a in self._waiting.items() if a.expires > now}
        while len(self._waiting) >= MOST:
            del self._waiting[next(iter(self._waiting))]
        ticket = base64.urlsafe_b64encode(random_bytes(BYTES)).decode("ascii")
        self._waiting[ticket] = admission
        return ticket

    def take(self, ticket: str, now: int) -> Admission | None:
        """What the ticket is good for, once; None if it is not known, used, or late."""
        admission = self._waiting.pop(ticket, None)
        return admission if admission is not None and admission.expires > now else None

    def __len__(self) -> int:
        return len(self._waiting)
