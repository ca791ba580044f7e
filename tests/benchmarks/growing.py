"""What a large store costs: how long until the first login after a start; a publication and a
page, beside the same in a small store.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from .bulk import PAIRS, Amount, filled
from .figures import Row, row
from .load import close, session
from .machine import resident
from .people import Person
from .publishing import couples
from .setup import SILENT, Server, Setup, serving
from .visiting import of, pages
from .work import Exchange, Way, in_turns

SMALL = Amount(1_000, 1_000, 10_000)
LARGE = Amount(1_000_000, 100_000, 10_000_000)


def _large(setup: Setup) -> Amount:
    return Amount(
        max(SMALL.users, setup.sized(LARGE.users)),
        max(SMALL.topics, setup.sized(LARGE.topics)),
        max(SMALL.messages, setup.sized(LARGE.messages)),
    )


def start(setup: Setup) -> Iterator[Row]:
    """From the command until somebody is logged in; the interpreter's own start is in it."""
    for amount in (SMALL, _large(setup)):
        folder, people = filled(setup.cache, amount)
        _first_login(folder, people.everybody[0])  # whatever is done once is done
        warm = _first_login(folder, people.everybody[0])
        _forget(folder / "tinode.db")
        cold = _first_login(folder, people.everybody[0])
        yield row(str(amount), **warm, cold=cold["seconds"])


def _first_login(folder: Path, person: Person) -> dict[str, float]:
    began = time.perf_counter()
    with serving(folder, *SILENT) as (pid, port):
        ready = time.perf_counter()
        client = session(port, person)
        there = time.perf_counter()
        client.close()
        rss = resident(pid) / (1 << 20)
        return {"seconds": there - began, "answered": (there - ready) * 1e3, "resident": rss}


def _forget(path: Path) -> None:
    """Let the system drop what it has of a file in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def growth(setup: Setup) -> Iterator[Row]:
    """Both stores in turns: 100 pairs with 8 messages in flight each; 100 people who read pages."""
    amounts = (SMALL, _large(setup))
    with ExitStack() as stack:
        servers = [_serving(stack, setup, amount) for amount in amounts]
        talks = [couples(server) for server in servers]
        sums = in_turns(
            setup.seconds,
            max(3, setup.rounds),
            *(Way(it.pid, it.exchange(8)) for it in talks),
        )
        yield from _rows("a publication", amounts, [it.cost for it in sums])
        for talk in talks:
            talk.close()
        parts = [pages(server, PAIRS) for server in servers]
        sums = in_turns(
            setup.seconds,
            max(3, setup.rounds),
            *(
                Way(server.pid, Exchange(those, of(those), 1))
                for server, those in zip(servers, parts, strict=True)
            ),
        )
        yield from _rows("a page", amounts, [it.cost for it in sums])
        close(part.client for those in parts for part in those)


def _serving(stack: ExitStack, setup: Setup, amount: Amount) -> Server:
    folder, people = filled(setup.cache, amount)
    pid, port = stack.enter_context(serving(folder, *SILENT))
    return Server(pid, port, people, folder)


def _rows(what: str, amounts: tuple[Amount, Amount], costs: list[float]) -> Iterator[Row]:
    (small, few), (large, many) = zip(amounts, costs, strict=True)
    yield row(f"{what}, {small.messages:,} messages", cost=few)
    yield row(f"{what}, {large.messages:,} messages", cost=many, times=many / few)
