"""The store as the rest of the server sees it: three methods and a life.

What a store guarantees:

- `commit` returns when the changes are on disk (synced), and answers batch by batch: one
  batch's Conflict or Stale undoes that batch alone.
- What `commit` acknowledged, `fetch` shows, on every node. One `fetch` may see commits that
  arrive while it runs.
- Disk full, an I/O error or a lost connection raise `errors.StoreError` and write nothing;
  the store lives on, and a later commit may succeed. So does a value that no store can hold
  (text that is not UTF-8, a number beyond 64 bits), for the batch that has it.
- Batches that wait at the same time are written in any order; one that was acknowledged comes
  before one that was sent later.
- Cancellation of `commit` leaves it unknown whether the batch was written; nobody cancels it
  but the end of the server.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import attrs

from ..changes import Batch, Outcome
from ..queries import (
    ChannelsOf,
    ContactsOf,
    DevicesOf,
    FindByTags,
    GroupsOwnedBy,
    MembersOf,
    Query,
    UnreadOf,
)

T = TypeVar("T")

# The prefix of tags that only one user or topic can have, and what a match of one counts for
# among the results of a search.
ALIAS = "alias:"
ALIAS_WEIGHT = 20

# Queries that may take long: a store answers them away from the loop's thread.
UNBOUNDED: frozenset[type[Query[Any]]] = frozenset(
    {MembersOf, ContactsOf, FindByTags, GroupsOwnedBy, DevicesOf, UnreadOf, ChannelsOf}
)


@attrs.frozen
class Statistics:
    """Counters since the store was opened."""

    batches: int
    transactions: int
    statements: int
    queries: int


class Store(Protocol):
    """Where everything durable is kept."""

    async def fetch(self, query: Query[T]) -> T:
        """The answer to one question. May run on the caller's thread without a checkpoint."""

    async def commit(self, batch: Batch) -> Outcome:
        """Write one batch durably, in one transaction with those of others that wait."""

    def statistics(self) -> Statistics: ...
