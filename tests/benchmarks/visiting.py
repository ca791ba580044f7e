"""Reading a page, coming, coming back, and what who has come holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from .arriving import Wanted, come
from .figures import Row, row
from .load import Client, Sockets, close, masked, session, size_of
from .machine import resident
from .people import Person
from .setup import Server, Setup, naive, raw
from .work import Exchange, Part, Way, beside, in_turns

_PAGE = {"what": "data", "data": {"limit": 24}}
READERS = 20


def history(setup: Setup) -> Iterator[Row]:
    """The last 24 messages of a conversation."""
    with setup.serving(2 * READERS, pairs=READERS) as server:
        mine = pages(server)
        size = mine[0].size
        database = setup.path("page.db")
        with raw("page", database, len(mine[0].frame), size) as (pid, port):
            theirs = [attrs.evolve(part, client=Client.connect(port)) for part in mine]
            with naive("page", database) as (naive_pid, naive_port):
                simple = _naive_pages(naive_port, mine[0].frame)
                ways = ((server.pid, mine), (pid, theirs), (naive_pid, simple))
                sums = in_turns(
                    setup.seconds,
                    setup.rounds,
                    *(Way(each, Exchange(parts, of(parts), 1)) for each, parts in ways),
                )
        notes = [note for it in sums for note in it.notes]
        yield row("a page of 24 messages", *notes, **beside(*sums))
        close(part.client for parts in (mine, theirs, simple) for part in parts)


def pages(server: Server, count: int = READERS) -> list[Part]:
    """People who ask for the last page of their conversation."""
    parts = []
    for one, other in server.people.pairs[:count]:
        client = session(server.port, one, other.user)
        frame = masked({"get": {"id": "1", "topic": other.user, **_PAGE}})
        client.quiet()
        parts.append(Part(client, frame, _answer(client, frame)))
    return parts


def _answer(client: Client, frame: bytes) -> int:
    """Bytes of all frames of an answer."""
    client.socket.sendall(frame)
    size = 0
    while True:
        payload = client.frame()
        size += size_of(payload)
        if "ctrl" in client.read(payload):
            return size


def _naive_pages(port: int, frame: bytes) -> list[Part]:
    parts = []
    for _ in range(READERS):
        client = Client.connect(port)
        client.upgrade()
        parts.append(Part(client, frame, _answer(client, frame)))
    return parts


def of(parts: Sequence[Part]) -> Sockets:
    return Sockets([part.client for part in parts])


# --- coming ------------------------------------------------------------------------------


def coming(setup: Setup) -> Iterator[Row]:
    """Logins with a token, and whole reconnections, beside a bare handshake.

    The tokens are those of people who were here before: none needs a new number.
    """
    count = setup.sized(100)
    with setup.serving(2 * count, pairs=count) as server, raw("websocket") as (pid, port):
        known = [(_renewed(server, one), other) for one, other in server.people.pairs]
        handshake = Way(pid, _Handshakes(port, count))
        for name, work in (
            ("login with a token", _Logins(server.port, known)),
            ("reconnection", _Reconnections(server.port, known)),
        ):
            ours, bare = in_turns(0, 3 * setup.rounds, Way(server.pid, work), handshake)
            figures = beside(ours, bare) | {"times": ours.cost / bare.cost}
            yield row(name, *ours.notes, **figures)


@attrs.frozen
class _Handshakes:
    """Connections that are opened, and closed again; as the two below, all of them once."""

    port: int
    count: int

    def __call__(self, _: float) -> int:
        for _ in range(self.count):
            client = Client.connect(self.port)
            client.upgrade()
            client.close()
        return self.count


@attrs.frozen
class _Logins:
    port: int
    pairs: Sequence[tuple[Person, Person]]

    def __call__(self, _: float) -> int:
        for person, _other in self.pairs:
            session(self.port, person).close()
        return len(self.pairs)


@attrs.frozen
class _Reconnections:
    port: int
    pairs: Sequence[tuple[Person, Person]]

    def __call__(self, _: float) -> int:
        for one, other in self.pairs:
            client = session(self.port, one, "me")
            client.call("sub", topic=other.user, get=_PAGE)
            client.wait(b'"code":208')
            client.close()
        return len(self.pairs)


def _renewed(server: Server, person: Person) -> Person:
    client = Client.connect(server.port)
    client.upgrade()
    token = client.log_in(person)
    client.close()
    return attrs.evolve(person, token=token)


# --- staying -----------------------------------------------------------------------------


def memory(setup: Setup) -> Iterator[Row]:
    """What each session holds that is logged in and on `me`."""
    count, first = setup.sized(2000), 50
    with setup.serving(count + first) as server:
        people = server.people.everybody
        wanted = [Wanted(person, ("me",)) for person in people]
        clients = come(server.port, wanted[:first])
        before = resident(server.pid)
        clients += come(server.port, wanted[first : count + first])
        grown = resident(server.pid) - before
        rss = resident(server.pid) / (1 << 20)
        yield row(f"{count:,} sessions on `me`", each=grown / count / 1024, resident=rss)
        close(clients)
