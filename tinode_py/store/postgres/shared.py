"""Writing as one node among several.

The nodes take turns: a transaction begins by waiting for its turn, and has it until it has ended.
What one server by itself relies upon so holds for all of them: numbers of events in the order of
commits, places in inboxes without a gap, nothing changed between a look and a write. Publications
are one statement here, too, which takes its turn and finds the numbers itself.

A transaction ends by writing its number into the row of its node. If the row is gone, so is the
transaction: the node is fenced. What a batch was made under is said by the batch, so that none
which waits is written under a number that the node got later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import psycopg
from psycopg import errors

from ...changes import Batch
from ...errors import StoreAway, StoreError
from ..coordination import NodeBatch, unknown
from ..hot import Hot
from ..migrate import SchemaError
from ..transaction import Result
from .address import Address
from .claim import claim, drop_number, know, migrating, take_number
from .migrate import newest, version_of
from .statements import FENCED, WRITING, Connection
from .writer import COMING_BACK, PostgresTransactions, PostgresWriter

# A node that stops in the middle of a transaction must not keep the others waiting.
SHARED = (
    WRITING
    + """
; SET idle_in_transaction_session_timeout = '3s';
SET default_transaction_isolation = 'read committed'"""
)
_BEGIN = "BEGIN; SELECT take_turn(); SELECT last_event()"
_MARK = """
SELECT batch, 1 FROM node WHERE id = $1
UNION ALL SELECT batch, 0 FROM node_gone WHERE id = $1"""


class SharedWriter(PostgresWriter):
    """The `Database` of a node. `refusal` is why the others had to be preferred, if they had."""

    settings = SHARED
    refusal: StoreError | None = None

    def be(self, node: int) -> None:
        """Write under this number from now on."""
        former, self.node = self.node, 0
        take_number(self.connection, node)
        if former:
            drop_number(self.connection, former)
        self.node = node

    def begin(self) -> None:
        with self._heard():
            cursor = self.connection.execute(_BEGIN, prepare=False)
        while cursor.nextset():
            pass
        ((last,),) = cursor.fetchall()
        self.last_event = int(last)

    def base(self) -> int | None:
        alone = self._status() == psycopg.pq.TransactionStatus.IDLE
        return None if alone else self.last_event

    def commit(self) -> None:
        with self._heard():
            super().commit()

    def write_hot(self, hot: Hot) -> bool:
        with self._heard():
            return super().write_hot(hot)

    @contextlib.contextmanager
    def _heard(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if error.sqlstate == FENCED:
                self.refusal = unknown(self.node)
            elif isinstance(error, errors.LockNotAvailable):
                self.refusal = StoreAway(f"{self._address.shown}: other nodes took too long")
            raise

    def _know(self, connection: Connection) -> None:
        """A newer node may have changed the database while there was no connection."""
        known = newest()
        try:
            version_of(connection, self._address.shown, known, beside=True)
        except SchemaError as error:
            raise StoreAway(str(error)) from error
        know(connection, known)

    def take_back(self, connection: Connection) -> int:
        """Holding the number means that no transaction of an earlier connection is under way."""
        claim(connection, self._address.shown, COMING_BACK, None, shared=True)
        with migrating(connection):
            self._know(connection)
        if not self.node:
            return 0
        take_number(connection, self.node)
        row = connection.execute(_MARK, (self.node,)).fetchone()
        batch, lives = (0, 0) if row is None else row
        if not lives:
            self.refusal = unknown(self.node)
        return int(batch)


class SharedTransactions(PostgresTransactions):
    """Writes what was handed in under the number of now, and refuses the rest.

    `node` is that number, 0 for none; it may be set at any time, from any thread.
    """

    def __init__(self, db: SharedWriter, address: Address) -> None:
        super().__init__(db, address)
        self._shared = db
        self.node = 0

    def write(self, batches: Sequence[Batch]) -> list[Result]:
        node = self.node
        of = [batch.node if isinstance(batch, NodeBatch) else 0 for batch in batches]
        mine = [batch for batch, its in zip(batches, of, strict=True) if its == node]
        results = iter(self._as(node, mine) if node else [])
        return [next(results) if node and its == node else unknown(its) for its in of]

    def _as(self, node: int, batches: Sequence[Batch]) -> list[Result]:
        db = self._shared
        db.refusal = None
        try:
            if db.node != node:
                if db.lost:
                    db.renew()
                db.be(node)
        except StoreError as error:
            return [error] * len(batches)
        except psycopg.Error as error:
            reason = f"{self._address.shown}: {self._address.reason(error)}"
            return [StoreAway(reason)] * len(batches)
        results = super().write(batches)
        refusal = self._shared.refusal
        if refusal is None:
            return results
        return [refusal if isinstance(result, StoreError) else result for result in results]
