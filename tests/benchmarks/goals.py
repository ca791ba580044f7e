"""What was to be reached: which figure of which row, and the bound it must keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from .figures import FIGURES, Row


@attrs.frozen
class Goal:
    """`at_least` or `at_most` bounds the median."""

    text: str
    kind: str
    work: str
    figure: str
    at_least: float | None = None
    at_most: float | None = None

    def row(self, rows: Mapping[str, Sequence[Row]]) -> Row | None:
        """The row that it is about, if it was measured."""
        return next(
            (
                it
                for it in rows.get(self.kind, ())
                if it.work == self.work and self.figure in it.figures
            ),
            None,
        )

    def met(self, rows: Mapping[str, Sequence[Row]]) -> bool | None:
        """None: not measured."""
        if (row := self.row(rows)) is None:
            return None
        value = row.value(self.figure)
        if self.at_least is not None:
            return value >= self.at_least
        assert self.at_most is not None
        return value <= self.at_most

    def bound(self) -> str:
        written = FIGURES[self.figure].written
        if self.at_least is not None:
            return f"at least {written(self.at_least)}"
        assert self.at_most is not None
        return f"at most {written(self.at_most)}"


_THOUSAND = "1,000 sessions, JSON, {} in flight"

GOALS = (
    Goal(
        "fan-out to 1,000 sessions, 1 in flight: rate beside the raw loop",
        "fan-out",
        _THOUSAND.format(1),
        "rate_share",
        at_least=0.8,
    ),
    Goal(
        "fan-out, 16 in flight, beside the rate of 1 in flight",
        "fan-out",
        _THOUSAND.format(16),
        "times",
        at_least=5,
    ),
    Goal(
        "durable private messages, 8 in flight: cost of the raw loop beside ours",
        "pairs",
        "100 pairs, 8 in flight",
        "cost_share",
        at_least=0.35,
    ),
    Goal(
        "a publication in a room of five beside a private one, 4 in flight each",
        "rooms",
        "50 rooms of 5, 4 in flight",
        "times",
        at_most=1.5,
    ),
    Goal(
        "from the socket to a decoded packet, beside `get_message` and `json.loads`",
        "receiving",
        "100 in a write",
        "share",
        at_most=0.2,
    ),
    Goal(
        "logged-in sessions in one process",
        "held",
        "15,000 sessions, 1 process",
        "count",
        at_least=15_000,
    ),
    Goal(
        "logged-in sessions in two processes",
        "held",
        "30,000 sessions, 2 processes",
        "count",
        at_least=30_000,
    ),
    Goal(
        "a group of 10,000 live sessions, 5 messages a second: p99 of a delivery",
        "group",
        "10,000 sessions",
        "p99",
        at_most=1000,
    ),
    Goal(
        "memory of a session on `me`",
        "memory",
        "2,000 sessions on `me`",
        "each",
        at_most=12,
    ),
    Goal(
        "idle CPU of a session, pings every 55 s, beside a bare trio-websocket server",
        "idle",
        "2,000 sessions, pings every 55 s",
        "share",
        at_most=0.5,
    ),
    Goal(
        "a full reconnection beside a bare trio-websocket handshake",
        "coming",
        "reconnection",
        "times",
        at_most=2,
    ),
    Goal(
        "presence: twice as many who come and go",
        "presence",
        "2,000 users beside 1,000",
        "times",
        at_most=2.3,
    ),
    Goal(
        "5 % have stopped reading: rate of the others",
        "dead",
        "50 of 1,050 readers have stopped reading",
        "share",
        at_least=0.95,
    ),
    Goal(
        "memory of each who has stopped reading",
        "dead",
        "50 of 1,050 readers have stopped reading",
        "each",
        at_most=256,
    ),
    Goal(
        "a page of 24 messages: cost of a raw range read and write beside ours",
        "history",
        "a page of 24 messages",
        "cost_share",
        at_least=0.5,
    ),
    Goal(
        "a publication among 10,000,000 messages beside one among 10,000",
        "growth",
        "a publication, 10,000,000 messages",
        "times",
        at_most=1.2,
    ),
    Goal(
        "a page among 10,000,000 messages beside one among 10,000",
        "growth",
        "a page, 10,000,000 messages",
        "times",
        at_most=1.2,
    ),
    Goal(
        "first login after the start, 1,000,000 users and 10,000,000 messages",
        "start",
        "1,000,000 users, 10,000,000 messages",
        "seconds",
        at_most=1,
    ),
    Goal(
        "5,000 logins at once: errors other than 503",
        "storms",
        "5,000 log in at once",
        "errors",
        at_most=0,
    ),
    Goal(
        "5,000 reconnections at once, 24 messages each: errors other than 503",
        "storms",
        "5,000 reconnect at once",
        "errors",
        at_most=0,
    ),
    *(
        goal
        for place in ("one topic", "1,000 topics")
        for goal in (
            Goal(
                f"10 × the sustainable rate for 10 s into {place}: publications that were neither"
                " answered 503 nor delivered",
                "bursts",
                place,
                "lost",
                at_most=0,
            ),
            Goal(
                f"10 × the sustainable rate for 10 s into {place}: until p99 is normal again",
                "bursts",
                place,
                "recovered",
                at_most=2,
            ),
        )
    ),
)
