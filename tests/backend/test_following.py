"""How the log is followed: every event once, whatever the connection does. No network."""

from __future__ import annotations

import itertools
import json
import math
import random
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinode_py.backend import Conflict, Nonsense, Problem, Unauthorized, Unreachable
from tinode_py.backend.call import Got
from tinode_py.backend.exchange import Lost, Terms, Wait
from tinode_py.backend.following import Begin, Follower, Happened, Open, Opened, Read
from tinode_py.backend.progress import Keep, Reading

TERMS = Terms(chance=lambda: 1.0, patience=math.inf)


def frame(number: int, kind: str = "user.online", **more: Any) -> bytes:
    data = {"id": number, "kind": kind, **more}
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


@attrs.define
class Server:
    """A log that grows, and streams of it that break off at will."""

    last: int = 0
    kept: int | None = None
    opened: list[int | None] = attrs.field(factory=list)
    waits: list[float] = attrs.field(factory=list)
    lines: list[bytes | Lost] = attrs.field(factory=list)
    refusals: list[Got | Lost] = attrs.field(factory=list)

    def answer(self, task: Any) -> Any:
        match task:
            case Begin():
                return None if self.kept is None else {"events": self.kept}
            case Keep(positions):
                self.kept = positions["events"]
            case Open():
                self.opened.append(task.after)
                return self.refusals.pop(0) if self.refusals else Opened()
            case Read():
                return self.lines.pop(0)
            case Wait(seconds):
                self.waits.append(seconds)
        return None

    def events(self, reading: Reading) -> Any:
        """What a program is given, until there is nothing more to read."""
        while True:
            reading.finish()
            while not isinstance(task := reading.task(), Happened):
                if task is None or (isinstance(task, Read) and not self.lines):
                    return
                reading.told(task, self.answer(task))
            yield reading.take(task)


def reader(after: int | None = None, now: Any = lambda: 0.0) -> Reading:
    return Reading(Follower.new(TERMS, after, "", now))


def test_it_goes_on_where_it_broke_off():
    server = Server(lines=[frame(1) + frame(2)[:20], Lost("cut"), frame(2), frame(3)])
    assert [event.id for event in server.events(reader(0))] == [1, 2, 3]
    assert server.opened == [0, 1]
    assert server.kept == 3


def test_what_comes_twice_is_shown_once():
    server = Server(lines=[frame(4) + frame(5), Lost("cut"), frame(4) + frame(5) + frame(6)])
    assert [event.id for event in server.events(reader(3))] == [4, 5, 6]


def test_without_a_position_the_first_sign_of_the_stream_is_one():
    server = Server(lines=[frame(7, "stream.at"), Lost("cut"), frame(8)])
    assert [event.id for event in server.events(reader())] == [8]
    assert server.opened == [None, 7]


def test_what_is_kept_goes_before_what_was_asked():
    server = Server(kept=5, lines=[frame(6)])
    assert [event.id for event in server.events(reader(0))] == [6]
    assert server.opened == [5]


def test_who_was_never_there_is_not_waited_for_for_ever():
    server = Server(refusals=[Lost("no connection")] * 99)
    impatient = Terms(chance=lambda: 1.0, patience=20.0)
    reading = Reading(Follower.new(impatient, 0, "", lambda: sum(server.waits)))
    with pytest.raises(Unreachable, match="no connection"):
        list(server.events(reading))
    assert server.waits == [0.5, 1.0, 2.0, 4.0, 8.0]


def test_who_was_there_once_is():
    server = Server(lines=[frame(1), Lost("cut")], refusals=[])
    impatient = Terms(chance=lambda: 1.0, patience=20.0)
    reading = Reading(Follower.new(impatient, 0, "", lambda: sum(server.waits)))
    events = server.events(reading)
    assert next(events).id == 1
    server.refusals = [Lost("no connection")] * 9
    server.lines.append(frame(2))
    assert next(events).id == 2
    assert sum(server.waits) > 100


def test_who_is_not_trusted_will_not_be():
    server = Server(refusals=[Lost("certificate", sent=False, final=True)])
    with pytest.raises(Unreachable, match="certificate"):
        list(server.events(reader(0)))


def test_a_gap_is_told():
    gap = frame(9, "stream.gap", detail={"after": 3, "first": 10})
    server = Server(lines=[gap + frame(10)])
    found = list(server.events(reader(3)))
    assert [(event.id, event.kind) for event in found] == [(9, "stream.gap"), (10, "user.online")]
    assert found[0].detail == {"after": 3, "first": 10}


def test_an_event_that_is_worked_on_is_not_done_with():
    server = Server(lines=[frame(1) + frame(2), Lost("cut"), frame(3)])
    reading = reader(0)
    events = server.events(reading)
    assert next(events).id == 1
    assert reading.to_keep() is None
    assert next(events).id == 2
    assert reading.to_keep() == Keep({"events": 1})
    reading.end()
    assert reading.to_keep() == Keep({"events": 1})
    reading.finish()
    assert reading.to_keep() == Keep({"events": 2})
    assert reading.task() is None


LIES = [
    b"data: [1]\n\n",
    b"data: nonsense\n\n",
    b'data: {"id": "x", "kind": "a"}\n\n',
    b'data: {"id": 1}\n\n',
    b'data: {"id": 1, "kind": "a", "ts": "yesterday"}\n\n',
    b'data: {"id": 1, "kind": "a", "message": 5}\n\n',
    b'data: {"id": 99999999999999999999999, "kind": "a"}\n\n',
    b"data: " + b"[" * 100_000 + b"\n\n",
    b"data: \xff\n\n",
]


@pytest.mark.parametrize("lie", LIES, ids=range(len(LIES)))
def test_a_stream_that_lies_is_opened_again_later_and_later(lie: bytes):
    server = Server(lines=[lie] * 9)
    assert list(server.events(reader(0))) == []
    assert server.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert set(server.opened) == {0}


def test_a_stream_that_brought_something_was_a_good_one():
    parts: list[bytes | Lost] = []
    for number in range(1, 5):
        parts += [frame(number), Lost("cut")]
    server = Server(lines=parts)
    assert len(list(server.events(reader(0)))) == 4
    assert set(server.waits) == {0.5}


def test_so_was_one_that_lasted():
    server = Server(lines=[Lost("cut")] * 5)
    clock = itertools.count(0, 10)
    assert list(server.events(reader(0, lambda: float(next(clock))))) == []
    assert set(server.waits) == {0.5}


def refusal(status: int, wait: str = "") -> Got:
    return Got(status, "application/problem+json", b'{"detail": "no"}', wait)


def test_a_server_that_is_busy_is_left_alone_as_long_as_it_wants():
    refusals: list[Got | Lost] = [
        refusal(503, "5"),
        Lost("no connection"),
        refusal(429),
        refusal(500, "7"),
    ]
    server = Server(lines=[frame(1)], refusals=refusals)
    assert [event.id for event in server.events(reader(0))] == [1]
    assert server.waits == [5.0, 1.0, 2.0, 7.0]


@pytest.mark.parametrize(
    ("got", "error"),
    [
        (refusal(401), Unauthorized),
        (refusal(409), Conflict),
        (refusal(418), Problem),
        (Got(200, "text/html", b"<html>"), Nonsense),
        (Got(301, "", b""), Nonsense),
    ],
)
def test_a_refusal_that_stays_ends_it(got: Got, error: type[Exception]):
    server, reading = Server(refusals=[got], lines=[frame(1)]), reader(0)
    with pytest.raises(error):
        list(server.events(reading))
    assert reading.task() is None
    assert list(server.events(reading)) == []


@settings(max_examples=40)
@given(st.integers(0, 2**32))
def test_whatever_breaks_every_event_comes_once(seed: int):
    """Streams cut anywhere, and programs that start again from what they have kept."""
    chance = random.Random(seed)
    log = {number: frame(number) for number in range(1, 13)}
    kept: int | None = None
    done: list[int] = []
    while kept != 12:
        server, reading = Log(kept=kept, log=log, chance=chance), reader(0)
        wanted = chance.randint(0, 12)
        done += [event.id for event in itertools.islice(server.events(reading), wanted)]
        reading.finish()
        if (keep := reading.to_keep()) is not None:
            server.answer(keep)
        reading.end()
        kept = server.kept
    assert done == sorted(log)


@attrs.define
class Log(Server):
    """Gives pieces of what comes after the position asked for, and breaks off now and then."""

    log: dict[int, bytes] = attrs.field(factory=dict)
    chance: random.Random = attrs.field(factory=random.Random)
    rest: bytes = b""

    def __attrs_post_init__(self) -> None:
        self.lines = [b"more"]

    def answer(self, task: Any) -> Any:
        if isinstance(task, Open):
            after = task.after or 0
            self.rest = b"".join(text for number, text in self.log.items() if number > after)
        if isinstance(task, Read):
            size = self.chance.choice((0, 1, 20, 61, 200))
            part, self.rest = self.rest[:size], self.rest[size:]
            self.lines = [b"more"] if self.rest or not part else []
            return part or Lost("cut")
        return super().answer(task)
