"""Many sessions at once: one group with all of them, people who come and go, who has stopped
reading.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import trio

from tinode_py import ids
from tinode_py.changes import Batch, Change, PutSubscription, PutTopic
from tinode_py.records import Subscription, Topic
from tinode_py.store.sqlite import open_sqlite

from .arriving import Wanted, come
from .figures import Row, row, tail
from .load import Client, Sockets, close, masked, session
from .machine import Meter, resident
from .people import PRIVATE, Person, mute
from .publishing import Audience, audience
from .setup import SILENT, Server, Setup, serving
from .work import Figures, measured

CONTACTS = 10
STALLED = 0.05  # of the readers


# --- one group ---------------------------------------------------------------------------


def group(setup: Setup) -> Iterator[Row]:
    """How long a message takes to each of so many sessions of one group, five messages a second.

    Members have muted the group (no P): with P every one who comes is told to all who are there,
    fifty million times in all.
    """
    count, messages = setup.sized(10_000), setup.sized(50, 5)
    folder, people = setup.settled(count + 1)
    mute(folder / "tinode.db", people.hall)
    with serving(folder, *SILENT) as (pid, port):
        author = session(port, people.everybody[0], people.hall)
        wanted = [Wanted(person, (people.hall,)) for person in people.everybody[1:]]
        crowd = audience(pid, author, come(port, wanted), people.hall)
        late, used = _told(crowd, messages, 0.2)
        rss = resident(pid) / (1 << 20)
        figures = tail(late) | {"resident": rss, "server": used.server / used.seconds}
        load = used.load / used.seconds
        yield row(f"{count:,} sessions", **figures, load=load)
        close([author, *crowd.readers], crowd.sockets)


def _told(crowd: Audience, messages: int, pause: float) -> tuple[list[float], Figures]:
    """Milliseconds of each delivery."""
    late: list[float] = []
    each = crowd.each // len(crowd.readers)

    def work(_: float) -> int:
        for _ in range(messages):
            began = time.perf_counter()
            crowd.author.socket.sendall(crowd.frame)
            missing = crowd.each
            while missing > 0:
                came = crowd.sockets.arrived(10.0)
                late.extend([(time.perf_counter() - began) * 1e3] * (came // each))
                missing -= came
            crowd.author.quiet()
            time.sleep(max(0.0, began + pause - time.perf_counter()))
        return messages * len(crowd.readers)

    return late, measured(crowd.pid, 0, work)


# --- coming and going --------------------------------------------------------------------


def presence(setup: Setup) -> Iterator[Row]:
    """Users with ten contacts each come and go; then twice as many. Everybody hears of ten
    others, so that the cost of twice as many should be twice the cost.
    """
    half = setup.sized(1000, 2 * CONTACTS)
    folder, people = setup.settled(2 * half)
    trio.run(befriend, folder / "tinode.db", people.everybody)
    with serving(folder, *SILENT) as (pid, port):
        server = Server(pid, port, people, folder)
        _come_and_go(server, people.everybody)  # so that both find the same memory
        few, _ = _come_and_go(server, people.everybody[:half])
        many, lines = _come_and_go(server, people.everybody)
    yield row(f"{half:,} users come and go", cost=few / half * 1e6)
    work = f"{2 * half:,} users beside {half:,}"
    yield row(work, cost=many / half / 2 * 1e6, times=many / few, load=lines)


async def befriend(path: Path, persons: Sequence[Person]) -> None:
    """Conversations of everybody with the five next in his half of a ring: ten contacts each."""
    async with open_sqlite(path, inline=True) as store:
        half = len(persons) // 2
        for part in (persons[:half], persons[half:]):
            await store.commit(Batch(tuple(_ring(part))))


def _ring(persons: Sequence[Person]) -> Iterator[Change]:
    for n, one in enumerate(persons):
        for step in range(1, CONTACTS // 2 + 1):
            other = persons[(n + step) % len(persons)]
            name = ids.p2p_name(one.user, other.user)
            yield PutTopic(Topic(name, 1, 1, 1))
            for person in (one, other):
                yield PutSubscription(Subscription(name, person.user, 1, 1, PRIVATE, PRIVATE))


def _come_and_go(server: Server, persons: Sequence[Person]) -> tuple[float, float]:
    """Seconds of CPU, of the presence alone: connections are made before, and closed after it.
    The load's share of its core.
    """
    clients = come(server.port, [Wanted(person) for person in persons])
    sockets = Sockets(clients)
    meter, began, load = Meter.of(server.pid), time.perf_counter(), time.process_time()
    for kind in ("sub", "leave"):
        for client in clients:
            client.socket.send(masked({kind: {"id": "1", "topic": "me"}}))
        sockets.drain(1.0)
    sockets.drain(5.0)  # users go offline four seconds after their last session
    spent = meter.spent()
    load = (time.process_time() - load) / (time.perf_counter() - began)
    close(clients, sockets)
    return spent, load


# --- those who do not read ---------------------------------------------------------------


def dead(setup: Setup) -> Iterator[Row]:
    """Fan-out with and without readers who have stopped reading, in turns of one server each."""
    honest = setup.sized(1000, 40)
    stalled = int(honest * STALLED)
    seconds = 5 * setup.seconds
    with setup.serving(honest + stalled + 1) as server:
        people, hall = server.people.everybody, server.people.hall
        author = session(server.port, people[0], hall)
        wanted = [Wanted(person, (hall,)) for person in people[1 : honest + 1]]
        crowd = audience(server.pid, author, come(server.port, wanted), hall)
        alone = measured(server.pid, seconds, crowd.work(4))
        before = resident(server.pid)
        deaf = [_deaf(server.port, person, hall) for person in people[honest + 1 :]]
        crowd.sockets.drain()
        with_them = measured(server.pid, seconds, crowd.work(4))
        each = (resident(server.pid) - before) / stalled / 1024
        yield row(
            f"{stalled} of {honest + stalled:,} readers have stopped reading",
            share=with_them.rate / alone.rate,
            times=with_them.cost / alone.cost,
            cost=with_them.cost,
            rate=with_them.rate,
            each=max(0.0, each),
            load=with_them.load / with_them.seconds,
        )
        close([author, *crowd.readers, *deaf], crowd.sockets)


def _deaf(port: int, person: Person, topic: str) -> Client:
    """A session that will not be read, with little room for what comes."""
    client = Client(socket.socket())
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.connect(("127.0.0.1", port))
    client.upgrade()
    client.log_in(person)
    client.call("sub", topic=topic)
    return client
