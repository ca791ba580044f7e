"""Everybody at once: all log in; the server is started again, and all come back, each to `me` and
to a conversation of which he wants the last 24 messages.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import attrs

from .arriving import Arrivals, Wanted, arrive
from .figures import LOAD_BOUND, Row, row, tail
from .load import close
from .machine import Meter, forget_peak, peak
from .people import Person
from .setup import SILENT, Setup, serving
from .work import BUSY, FULL

PAGE = 24


def storms(setup: Setup) -> Iterator[Row]:
    count = setup.sized(5000) // 2 * 2
    folder, people = setup.settled(count, pairs=count // 2, history=PAGE)
    chats = dict(
        chat
        for one, other in people.pairs
        for chat in ((one.user, other.user), (other.user, one.user))
    )
    with serving(folder, *SILENT) as (pid, port):
        wanted = [Wanted(person, ("me",)) for person in people.everybody[:count]]
        first, it = _storm(pid, port, wanted, f"{count:,} log in at once")
        yield it
    close(first.clients)
    back = _renewed(people.everybody, first.tokens)
    with serving(folder, *SILENT) as (pid, port):
        wanted = [Wanted(each, ("me", chats[each.user]), page=True) for each in back]
        second, it = _storm(pid, port, wanted, f"{count:,} reconnect at once")
        yield it
        close(second.clients)


def _renewed(persons: Sequence[Person], tokens: Sequence[str]) -> list[Person]:
    return [attrs.evolve(one, token=token) for one, token in zip(persons, tokens, strict=False)]


def _storm(pid: int, port: int, wanted: Sequence[Wanted], work: str) -> tuple[Arrivals, Row]:
    forget_peak(pid)
    meter, began, load = Meter.of(pid), time.perf_counter(), time.process_time()
    came = arrive(port, wanted, len(wanted))
    seconds = time.perf_counter() - began
    server = meter.spent()
    shares = server / seconds, (time.process_time() - load) / seconds
    bound = shares[1] > BUSY and shares[0] < FULL
    figures = row(
        work,
        *([LOAD_BOUND] if bound else []),
        *sorted({f"error: {error[:60]}" for error in came.errors})[:3],
        **tail(it * 1e3 for it in came.seconds),
        seconds=seconds,
        refused=came.refused,
        errors=len(came.errors),
        cost=server / len(wanted) * 1e6,
        resident=peak(pid) / (1 << 20),
        server=shares[0],
        load=shares[1],
    )
    return came, figures
