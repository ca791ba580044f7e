"""Connections that only read, a thread for each.

A query goes to whichever thread is free. Its task sleeps meanwhile; thirty-two may be under way
or thirty-two thousand, the connections are as many as the settings say. A connection that is
lost is made again for the next query: reading twice does no harm.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import outcome
import psycopg
import trio

from ...errors import StoreAway, StoreError
from ...queries import Query
from ..read import answer
from ..waiting import Counter
from .address import Address
from .statements import READING, PostgresStatements, connect

PAUSE = 0.5  # seconds without another attempt, after one to connect has failed


class Reader:
    """One connection, made at the first query. For one thread at a time."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._statements: PostgresStatements | None = None
        self._failed_at = float("-inf")
        self.count = 0

    def answer(self, query: Query[Any]) -> Any:
        """The answer as of the latest commit. StoreError if the database cannot be asked."""
        statements = self._statements
        fresh = statements is None or statements.connection.closed
        try:
            return self._asked(query)
        except psycopg.OperationalError as error:
            if fresh or self._statements is None or not self._statements.connection.closed:
                raise self._failure(error) from error
        except psycopg.Error as error:
            raise self._failure(error) from error
        try:
            return self._asked(query)  # the connection had been lost while nobody used it
        except psycopg.Error as error:
            raise self._failure(error) from error

    def _asked(self, query: Query[Any]) -> Any:
        statements = self._connected()
        before = statements.count
        try:
            return answer(statements, query)
        finally:
            self.count += statements.count - before

    def _connected(self) -> PostgresStatements:
        if self._statements is None or self._statements.connection.closed:
            if time.monotonic() - self._failed_at < PAUSE:
                raise StoreAway(f"{self._address.shown}: there is no connection")
            try:
                self._statements = PostgresStatements(connect(self._address, READING))
            except StoreError:
                self._failed_at = time.monotonic()
                raise
        return self._statements

    def _failure(self, error: psycopg.Error) -> StoreError:
        statements = self._statements
        lost = statements is None or statements.connection.closed
        kind = StoreAway if lost else StoreError
        return kind(f"{type(error).__name__}: {self._address.reason(error)}")

    def close(self) -> None:
        if self._statements is not None:
            self._statements.connection.close()


class ReaderThreads:
    """Threads, each with a `Reader`. `fetch` is for tasks of the loop that made them."""

    def __init__(self, readers: list[Reader]) -> None:
        self._readers = readers
        self._counter: Counter[Query[Any]] = Counter()
        self._threads = [
            threading.Thread(target=self._run, args=(reader,), name="store-reader", daemon=True)
            for reader in readers
        ]
        for thread in self._threads:
            thread.start()

    async def fetch(self, query: Query[Any]) -> Any:
        """Sleep until a thread has answered. Cancelled, nobody gets the answer."""
        return await self._counter.ask(query)

    async def aclose(self) -> None:
        """Answer what waits, then end the threads. Cancellation does not cut it short."""
        self._counter.close(len(self._threads))
        with trio.CancelScope(shield=True):
            for thread in self._threads:
                await trio.to_thread.run_sync(thread.join)

    def _run(self, reader: Reader) -> None:
        while (asked := self._counter.queue.get()) is not None:
            if asked.task is None:
                continue
            result = outcome.capture(reader.answer, asked.question)
            if not self._counter.answer([asked], [result]):
                break
        reader.close()


class InlineReader:
    """Answers on the caller's thread: for virtual clocks and small tools."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._closed = False

    async def fetch(self, query: Query[Any]) -> Any:
        """Without a checkpoint, as the SQLite store's bounded queries."""
        if self._closed:
            raise StoreError("the store is closed")
        return self._reader.answer(query)

    async def aclose(self) -> None:
        self._closed = True
        self._reader.close()
        await trio.lowlevel.checkpoint()
