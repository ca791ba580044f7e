"""The connection that writes: kept, lost, made again; and the transaction in doubt.

Each transaction writes its number into the row of `writer`. If the connection is lost before
the answer to a commit came, nobody knows whether it took place. The next connection does, once
it holds the lock: then the former one has ended, and the row tells. Until then nothing is
answered for that transaction, and everything else is refused.

A connection lost at any other moment has written nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import psycopg

from ...changes import Batch, Committed
from ...errors import StoreAway, StoreError
from ..events import last_event
from ..hot import Hot
from ..transaction import Result, Transactions
from .address import Address
from .claim import claim, holder_of
from .statements import WRITING, Connection, PostgresStatements, connect, name_of_process

PAUSE = 0.5  # seconds between two attempts to connect
COMING_BACK = 5.0  # seconds for PostgreSQL to end the connection of before
_MARK = "SELECT epoch, batch FROM writer WHERE one = 1"


class PostgresWriter(PostgresStatements):
    """The `Database` of `Transactions`, over one connection after the other."""

    settings = WRITING

    def __init__(self, connection: Connection, address: Address) -> None:
        super().__init__(connection)
        self._address = address
        self._own = holder_of(connection, name_of_process())
        self._failed_at = float("-inf")
        self._left_to = ""  # the server that has taken over
        self.in_doubt = False
        row = self.row("UPDATE writer SET epoch = epoch + 1 WHERE one = 1 RETURNING epoch, batch")
        assert row is not None
        self._epoch, self.batch = row

    @property
    def is_over(self) -> bool:
        """Whether another server has taken over: nothing can be written here any more."""
        return bool(self._left_to)

    @property
    def lost(self) -> bool:
        return self.connection.closed

    def renew(self) -> int:
        """Connect again, if need be; the number of the last transaction that took place.

        StoreError says why it cannot be; it comes at once for a while after an attempt failed.
        """
        if self._left_to:
            raise StoreAway(self._left_to)
        if time.monotonic() - self._failed_at < PAUSE:
            raise StoreAway(f"{self._address.shown}: there is no connection")
        try:
            return self._renewed()
        except psycopg.Error as error:
            self._failed_at = time.monotonic()
            raise StoreAway(f"{self._address.shown}: {self._address.reason(error)}") from None
        except StoreError:
            self._failed_at = time.monotonic()
            raise

    def _renewed(self) -> int:
        connection = connect(self._address, self.settings)
        try:
            batch = self.take_back(connection)
        except (psycopg.Error, StoreError):
            connection.close()
            raise
        self.connection = connection
        self._own = holder_of(connection, name_of_process())
        self.last_event = last_event(self)
        return batch

    def take_back(self, connection: Connection) -> int:
        """See to it that what the connection before was doing has ended; the number of the last
        transaction that took place.
        """
        claim(connection, self._address.shown, COMING_BACK, self._own)
        row = connection.execute(_MARK).fetchone()
        assert row is not None
        epoch, batch = row
        if epoch != self._epoch:
            self._left_to = (
                f"{self._address.shown}: another server has worked on this database "
                "while this one had no connection: start this one again"
            )
            raise StoreAway(self._left_to)
        return int(batch)

    def write_hot(self, hot: Hot) -> bool:
        alone = self._status() == psycopg.pq.TransactionStatus.IDLE
        if alone:
            self.in_doubt = True
        written = super().write_hot(hot)
        self.in_doubt = False
        return written

    def begin(self) -> None:
        self.connection.execute("BEGIN")

    def commit(self) -> None:
        number = f"SELECT written({self.node}, {self.batch}); COMMIT"
        self.in_doubt = True
        self.connection.execute(number, prepare=False)
        self.in_doubt = False

    def roll_back(self) -> None:
        if not self.lost and self._status() != psycopg.pq.TransactionStatus.IDLE:
            self.connection.execute("ROLLBACK")

    def _status(self) -> psycopg.pq.TransactionStatus:
        return self.connection.info.transaction_status

    def save(self) -> None:
        self.connection.execute("SAVEPOINT batch")

    def release(self) -> None:
        self.connection.execute("RELEASE batch")

    def undo(self) -> None:
        self.connection.execute("ROLLBACK TO batch")


class PostgresTransactions(Transactions):
    """Writes through the connection there is, and settles what was in doubt."""

    def __init__(self, db: PostgresWriter, address: Address) -> None:
        super().__init__(db)
        self._writer = db
        self._address = address
        self._promised: list[Result] = []
        self.closing = threading.Event()  # nobody waits any more
        self.refuse_waiting: Callable[[StoreError], None] = lambda error: None

    def statements(self) -> int:
        return self._writer.count

    def write(self, batches: Sequence[Batch]) -> list[Result]:
        db = self._writer
        if db.lost:
            try:
                db.renew()
            except StoreError as error:
                return [error] * len(batches)
        db.batch += 1
        db.in_doubt, self._promised = False, []
        results = super().write(batches)
        if not db.lost:
            return results
        if not db.in_doubt:
            return [self._unavailable()] * len(batches)
        committed: list[Result] = [Committed()] * len(batches)
        return self._settled(self._promised or committed)

    def _commit(self, results: list[Result]) -> None:
        self._promised = results
        super()._commit(results)

    def _settled(self, promised: list[Result]) -> list[Result]:
        """What became of the transaction, as soon as the database can be asked."""
        number = self._writer.batch
        while True:
            self.refuse_waiting(self._unavailable())
            try:
                last = self._writer.renew()
            except StoreError as error:
                if self._writer.is_over or self.closing.wait(PAUSE / 2):
                    return [error] * len(promised)
            else:
                return promised if last >= number else [self._unavailable()] * len(promised)

    def _unavailable(self) -> StoreError:
        return StoreAway(f"{self._address.shown}: the connection was lost")
