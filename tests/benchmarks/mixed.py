"""All at once: people who publish, read pages, type, come and go, each at his own pace, while
others hold their sessions. How long does each take?
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from .arriving import Wanted, come
from .beside import Act, Beside, beside, private_messages
from .figures import Row, row, tail
from .held import holding
from .load import Client, masked, session
from .machine import Meter, resident
from .people import Person
from .setup import Server, Setup

HELD = 1000
EACH = 4  # processes that do the same


def mixed(setup: Setup) -> Iterator[Row]:
    """A private message and typing: until it has arrived. A page, and coming: until the answer."""
    held, seconds = setup.sized(HELD), 15 * setup.seconds
    kinds: dict[str, tuple[Callable[[int, Person, Person], Callable[[], Act]], float]] = {
        "a private message": (private_messages, 1 / 75),
        "a page of 24 messages": (_pages, 1 / 25),
        "typing": (_typing, 1 / 50),
        "coming: login, `me`, a conversation": (_coming, 1 / 5),
    }
    count = EACH * len(kinds)
    with setup.serving(2 * count + held, pairs=count) as server, ExitStack() as stack:
        stack.enter_context(holding(lambda: _idlers(server, 2 * count)))
        couples = iter(server.people.pairs)
        doing: dict[str, list[Beside]] = {
            name: [
                stack.enter_context(beside(make(server.port, *next(couples)), pause))
                for _ in range(EACH)
            ]
            for name, (make, pause) in kinds.items()
        }
        meter, began = Meter.of(server.pid), time.perf_counter()
        time.sleep(seconds)
        used = meter.spent() / (time.perf_counter() - began)
        rss = resident(server.pid) / (1 << 20)
        stack.close()
        for name, those in doing.items():
            times = [it for one in those for when, it in one.times if when >= began]
            rate = len(times) / seconds
            yield row(
                name, **tail(times), rate=rate, errors=float(sum(one.errors for one in those))
            )
        yield row(f"all of it, beside {held:,} silent sessions", server=used, resident=rss)


def _idlers(server: Server, first: int) -> list[Client]:
    return come(server.port, [Wanted(each, ("me",)) for each in server.people.everybody[first:]])


def _pages(port: int, one: Person, other: Person) -> Callable[[], Act]:
    frame = masked({"get": {"id": "p", "topic": other.user, "what": "data", "data": {"limit": 24}}})

    def make() -> Act:
        client = session(port, one, "me", other.user)

        def act() -> None:
            client.socket.sendall(frame)
            client.wait(b'"id":"p"')

        return act

    return make


def _typing(port: int, one: Person, other: Person) -> Callable[[], Act]:
    frame = masked({"note": {"topic": other.user, "what": "kp"}})

    def make() -> Act:
        author, reader = session(port, one, other.user), session(port, other, one.user)

        def act() -> None:
            author.quiet()
            author.socket.sendall(frame)
            reader.wait(b'"kp"')

        return act

    return make


def _coming(port: int, one: Person, other: Person) -> Callable[[], Act]:
    def make() -> Act:
        def act() -> None:
            session(port, one, "me", other.user).close()

        return act

    return make
