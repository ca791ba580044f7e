"""A store that tells when something was committed, whoever committed it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import trio

from ..changes import Batch, Committed, Outcome
from ..errors import Fenced
from ..queries import Query
from .base import Statistics, Store

T = TypeVar("T")


class News:
    """Wakes who waits for the next commit; costs next to nothing while nobody does."""

    __slots__ = ("_rung",)

    def __init__(self) -> None:
        self._rung: trio.Event | None = None

    def ring(self) -> None:
        if self._rung is not None:
            self._rung.set()
            self._rung = None

    def next(self) -> trio.Event:
        """What the next `ring` sets. Who asks for it, then looks, and then waits for it, misses
        nothing that is committed while he looks.
        """
        if self._rung is None:
            self._rung = trio.Event()
        return self._rung


class Watched:
    """The same store; each commit rings, and one that is refused because the node is no member
    any more tells so.
    """

    def __init__(
        self, store: Store, news: News, on_fenced: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store
        self._ring = news.ring
        self._on_fenced = on_fenced

    def fetch(self, query: Query[T]) -> Coroutine[Any, Any, T]:
        return self._store.fetch(query)

    async def commit(self, batch: Batch) -> Outcome:
        try:
            outcome = await self._store.commit(batch)
        except Fenced:
            self._on_fenced()
            raise
        if type(outcome) is Committed:
            self._ring()
        return outcome

    def statistics(self) -> Statistics:
        return self._store.statistics()
