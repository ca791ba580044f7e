"""Questions about members and claims, as statements on one connection. Not for two threads."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from typing import Any

import attrs
import outcome
import psycopg
from psycopg import errors

from ...errors import StoreAway, StoreError
from ..coordination import unknown
from ..rows import Row, encoded
from .address import Address
from .claim import NODES
from .statements import FENCED, SYNCED, Connection, connect

PAUSE = 0.5  # seconds without another attempt, after one to connect has failed
TOPICS = 1000  # in one statement, at most
_ATTEMPTS = 10  # at a claim whose owner lets go of it meanwhile
# Whoever waits for a lock waits for a commit or for another claim. A database that does not
# answer is noticed sooner than elsewhere: a beat that hangs is worth nothing.
_SETTINGS = """
SET lock_timeout = '1s'; SET statement_timeout = '4s';
SET default_transaction_isolation = 'read committed'; """
_QUICK = {"connect_timeout": "3", "tcp_user_timeout": "4000"}

JOIN = "SELECT join_cluster($1, $2, $3)"
BEAT = "SELECT id, name, address, url, draining, load, beats FROM beat($1, $2, $3)"
BEATS = "SELECT node, beats FROM node_beat WHERE node = $1"
FENCE = "SELECT fence($1, $2)"
# Who gets the lock of the number knows that no connection writes as that node.
BURY = f"""
SELECT CASE WHEN pg_try_advisory_xact_lock({NODES}, $1::bigint::int)
    THEN coalesce(end_node($1)::text, '') END IS NOT NULL"""
CLAIM = "SELECT topic, node FROM claim_topics($1, $2::json)"
RELEASE = "SELECT release_topics($1, $2::json)"
GIVE = "SELECT give_topic($1, $2, $3)"
LEAVE = "SELECT end_node($1)"
_FORGET = "SELECT forget_claims($1, $2)"
GONE = "SELECT id FROM node_gone"


@attrs.frozen
class Claim:
    node: int
    topics: tuple[str, ...]


@attrs.frozen
class Question:
    """A statement about a node, answered with its rows. A tuple becomes a JSON array."""

    node: int
    sql: str
    parameters: tuple[Any, ...]


class Desk:
    """The connection, for one thread: answers questions, and turns errors into ours."""

    def __init__(self, address: Address) -> None:
        self._address = attrs.evolve(address, parameters={**address.parameters, **_QUICK})
        self._connection: Connection | None = None
        self._failed_at = float("-inf")
        self.chores: list[tuple[int, str]] = []  # a node that is gone, how far it is cleared away

    def tidy(self) -> None:
        """A step of clearing away what is void already and only takes room."""
        node, after = self.chores.pop()
        with contextlib.suppress(StoreError):
            ((reached,),) = self._rows(Question(node, _FORGET, (node, after)))
            if reached is not None:
                self.chores.append((node, reached))

    def answer(self, asked: Sequence[Claim | Question]) -> list[outcome.Outcome[Any]]:
        """One answer for each, in order. Claims of a node are one statement, and come last."""
        answers: list[outcome.Outcome[Any] | Claim] = [
            item if isinstance(item, Claim) else outcome.capture(self._rows, item) for item in asked
        ]
        claims: dict[int, list[str]] = {}
        for item in asked:
            if isinstance(item, Claim):
                claims.setdefault(item.node, []).extend(item.topics)
        found = {node: outcome.capture(self._claimed, node, them) for node, them in claims.items()}
        return [
            self._own(found[item.node], item) if isinstance(item, Claim) else item
            for item in answers
        ]

    def _own(
        self, found: outcome.Outcome[dict[str, int]], claim: Claim
    ) -> outcome.Outcome[dict[str, int]]:
        """The part of an answer that was asked for. A name that nothing can hold is the fault of
        who sent it: the others ask without it.
        """
        if isinstance(found, outcome.Error):
            if isinstance(found.error, StoreAway):
                return outcome.Error(found.error)
            return outcome.capture(self._claimed, claim.node, claim.topics)
        assert isinstance(found, outcome.Value)
        return outcome.Value({topic: found.value[topic] for topic in claim.topics})

    def _claimed(self, node: int, topics: Sequence[str]) -> dict[str, int]:
        owners: dict[str, int] = {}
        for _ in range(_ATTEMPTS):
            left = [topic for topic in dict.fromkeys(topics) if topic not in owners]
            if not left:
                return owners
            for start in range(0, len(left), TOPICS):
                some = tuple(left[start : start + TOPICS])
                owners.update(self._rows(Question(node, CLAIM, (node, some))))
        raise StoreAway(f"{self._address.shown}: owners of topics change too fast")

    def _rows(self, question: Question) -> list[Row]:
        """StoreAway for what may succeed later, StoreError for what never will."""
        try:
            parameters = [encoded(it) if type(it) is tuple else it for it in question.parameters]
            cursor = self._connected().cursor(binary=True)
            rows = cursor.execute(question.sql, parameters).fetchall()
            if question.sql in (FENCE, BURY, LEAVE) and rows[0][0] is not False:
                self.chores.append((question.node, ""))
            return rows
        except (psycopg.DataError, ValueError) as error:
            raise StoreError(f"{type(error).__name__}: {error}") from error
        except psycopg.Error as error:
            if question.sql in (FENCE, BURY) and isinstance(error, errors.LockNotAvailable):
                return [(False,)]  # a commit of the node is still under way
            if error.sqlstate == FENCED:
                raise unknown(question.node) from None
            reason = f"{type(error).__name__}: {self._address.reason(error)}"
            raise StoreAway(f"{self._address.shown}: {reason}") from error

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            if time.monotonic() - self._failed_at < PAUSE:
                raise StoreAway(f"{self._address.shown}: there is no connection")
            try:
                self._connection = connect(self._address, _SETTINGS + SYNCED)
            except StoreError:
                self._failed_at = time.monotonic()
                raise
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
