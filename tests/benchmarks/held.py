"""Sessions that are logged in and on `me`, and do nothing: 15,000 in one process, as many in each
of two; and idle CPU beside a bare trio-websocket server that pings alike.

Those who hold the connections are processes of their own, for one process has no more than some
20,000 descriptors. They answer pings.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from .arriving import Wanted, come
from .beside import private
from .figures import Row, row, tail
from .load import PONG, Client
from .machine import Meter, resident
from .people import Person
from .setup import Server, Setup, raw, serving

PINGS = 55.0  # seconds between the pings of a session
# Who has come first answers no ping until the last one is there.
_PATIENT = ("server.read_timeout=3600",)
_NODES, _ALL = 4, 100_000


# --- as many as there can be -------------------------------------------------------------


def held(setup: Setup) -> Iterator[Row]:
    """Memory, idle CPU, the time of a private message among them; what more would need."""
    count = setup.sized(15_000)
    for processes in (1, 2):
        with ExitStack() as stack:
            servers = [_serving(stack, setup, count) for _ in range(processes)]
            before = [resident(server.pid) for server in servers]
            came = [Meter.of(server.pid) for server in servers]
            for server in servers:
                stack.enter_context(holding(comers(server.port, server.people.everybody[2:])))
            login = sum(meter.spent() for meter in came) / count / processes
            rss = [resident(server.pid) for server in servers]
            each = (sum(rss) - sum(before)) / count / processes
            idle = _idle([server.pid for server in servers], setup.seconds * 20)
            spent = [
                it
                for server in servers
                for it in private(server.port, *server.people.pairs[0], 500, 0.002)
            ]
            yield row(
                f"{count * processes:,} sessions, {_words(processes)}",
                **{name: value for name, value in tail(spent).items() if name != "most"},
                count=float(count * processes),
                each=each / 1024,
                idle=sum(idle) / count / processes * 1e6,
                resident=sum(rss) / (1 << 20),
                cost=login * 1e6,
            )
            if processes == 2:
                yield _more(each, sum(idle) / count / 2, sum(before) / 2)


def _words(processes: int) -> str:
    return "1 process" if processes == 1 else f"{processes} processes"


def _more(each: float, idle: float, base: float) -> Row:
    """What so many over some nodes would need: nothing of it is measured."""
    count = _ALL / _NODES
    return row(
        f"from these: each of {_NODES} nodes that hold {_ALL:,} together",
        count=count,
        resident=(base + each * count) / (1 << 20),
        server=idle * count,
    )


def _serving(stack: ExitStack, setup: Setup, count: int) -> Server:
    folder, people = setup.settled(count + 2, pairs=1)
    pid, port = stack.enter_context(serving(folder, *_PATIENT))
    return Server(pid, port, people, folder)


def comers(port: int, persons: Sequence[Person]) -> Callable[[], list[Client]]:
    return lambda: come(port, [Wanted(person, ("me",)) for person in persons])


def _idle(pids: Sequence[int], seconds: float) -> list[float]:
    """Share of a core that each uses while nothing is asked of it."""
    meters, began = [Meter.of(pid) for pid in pids], time.perf_counter()
    time.sleep(seconds)
    spent = time.perf_counter() - began
    return [meter.spent() / spent for meter in meters]


# --- pings -------------------------------------------------------------------------------


def idle(setup: Setup) -> Iterator[Row]:
    """CPU of a silent session over one period of its pings, both servers side by side."""
    count, pause = setup.sized(2000), PINGS if setup.size >= 1 else 1.0
    folder, people = setup.settled(count)
    settings = (f"server.ping_seconds={pause}", "server.read_timeout=3600")
    with ExitStack() as stack:
        pid, port = stack.enter_context(serving(folder, *settings))
        bare, bare_port = stack.enter_context(raw("websocket", str(pause)))
        stack.enter_context(holding(comers(port, people.everybody[:count])))
        stack.enter_context(holding(bare_comers(bare_port, count)))
        ours, theirs = _idle((pid, bare), pause)
    yield row(
        f"{count:,} sessions, pings every {pause:g} s",
        idle=ours / count * 1e6,
        bare_idle=theirs / count * 1e6,
        share=ours / theirs,
    )


def bare_comers(port: int, count: int) -> Callable[[], list[Client]]:
    def comers() -> list[Client]:
        clients = []
        for _ in range(count):
            client = Client.connect(port)
            client.upgrade()
            clients.append(client)
        return clients

    return comers


# --- who holds them ----------------------------------------------------------------------


@contextmanager
def holding(make: Callable[[], list[Client]]) -> Iterator[None]:
    """Clients of a process of its own, which answers pings until the end."""
    there, telling = os.pipe()
    stop, stopper = os.pipe()
    if not (child := os.fork()):
        os.close(stopper)
        try:
            clients = make()
            os.write(telling, b".")
            _answer_pings(clients, stop)
        finally:
            os._exit(0)
    os.close(telling)
    os.close(stop)
    try:
        if os.read(there, 1) != b".":
            raise RuntimeError("not all sessions could be opened")
        yield
    finally:
        os.close(stopper)
        os.close(there)
        os.waitpid(child, 0)


def _answer_pings(clients: Sequence[Client], stop: int) -> None:
    epoll = select.epoll(len(clients) + 1)
    epoll.register(stop, select.EPOLLHUP)
    found = {client.socket.fileno(): client.socket for client in clients}
    for fd in found:
        epoll.register(fd, select.EPOLLIN)
    while True:
        for fd, _ in epoll.poll():
            if fd == stop:
                return
            if b"\x89" in found[fd].recv(65_536):
                found[fd].send(PONG)
