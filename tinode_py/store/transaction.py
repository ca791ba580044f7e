"""Many batches in one transaction, each with an outcome of its own.

First attempt: all batches that hold nothing but hot changes together, in bulk, then the others
one by one. If the bulk does not fit (a message that is not its topic's next), everything is
rolled back and the second attempt writes each batch by itself. Batches that wait together were
sent by tasks that do not wait for each other, so any order among them is right, but for one
thing: who comes online is written before what he may have published since.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..changes import AppendMessage, Batch, Committed, Outcome, SetMarks
from ..changes_backend import PutOnline
from ..errors import StoreError
from .apply import BatchRefused, apply
from .events import last_event
from .hot import Hot
from .statements import Database

Result = Outcome | StoreError

_HOT = frozenset({AppendMessage, SetMarks})


class Transactions:
    """Writes through the one connection that may. Not for two threads at a time."""

    def __init__(self, db: Database) -> None:
        db.last_event = last_event(db)
        self._db = db
        self.count = 0

    def write(self, batches: Sequence[Batch]) -> list[Result]:
        """Write and sync `batches`; one result for each, in order.

        If the disk, and not a batch, is at fault, nothing is written and every result is a
        StoreError; a later call may succeed.
        """
        try:
            self._db.roll_back()  # what a rollback that failed may have left
            last = self._db.last_event
            results = self._bulk(batches)
            if results is None:
                self._db.last_event = last
                results = self._one_by_one(batches)
            return results
        except self._db.failures as error:
            return [StoreError(f"{type(error).__name__}: {error}") for _ in batches]

    def _bulk(self, batches: Sequence[Batch]) -> list[Result] | None:
        """The first attempt; None if the second is needed."""
        hot = Hot()
        early: list[int] = []
        cold: list[int] = []
        results: list[Result] = [Committed()] * len(batches)
        try:
            for index, batch in enumerate(batches):
                if not _HOT.issuperset(map(type, batch.changes)):
                    (early if _tells_of_arrivals(batch) else cold).append(index)
                elif not all(map(hot.add, batch.changes)):
                    return None
            if hot.one_statement and not (early or cold):
                return results if self._hot_alone(hot) else None
            self._db.begin()
            for index in early:
                results[index] = self._by_itself(batches[index])
            if not self._db.write_hot(hot):
                return None
            for index in cold:
                results[index] = self._by_itself(batches[index])
            self._commit(results)
        except self._db.bad_values:
            return None
        finally:
            self._db.roll_back()
        return results

    def _hot_alone(self, hot: Hot) -> bool:
        written = self._db.write_hot(hot)
        self.count += written
        return written

    def _one_by_one(self, batches: Sequence[Batch]) -> list[Result]:
        try:
            self._db.begin()
            results = [self._by_itself(batch) for batch in batches]
            self._commit(results)
        finally:
            self._db.roll_back()
        return results

    def _by_itself(self, batch: Batch) -> Result:
        last = self._db.last_event
        self._db.save()
        try:
            for change in batch.changes:
                apply(self._db, change, batch.now)
        except BatchRefused as refused:
            result: Result = refused.outcome
        except self._db.bad_values as error:
            result = StoreError(f"{type(error).__name__}: {error}")
        else:
            self._db.release()
            return Committed()
        self._db.last_event = last
        self._db.undo()
        self._db.release()
        return result

    def _commit(self, results: list[Result]) -> None:
        """`results` is what becomes true by it."""
        self._db.commit()
        self.count += 1


def _tells_of_arrivals(batch: Batch) -> bool:
    return any(type(change) is PutOnline for change in batch.changes)
