"""`python -m tests.benchmarks.scale`: what stays cheap however much there is.

- `find`: searches among a million tags. Each account has an address and some words; a word in
  place r of the list is held by about 1/r of those who hold the first one, as words are in a
  language. Searches for addresses, and for words: one, two, or alternatives, of any place (the
  logarithm of the place is uniform: frequent words are asked for often). The server's CPU is
  read to the nanosecond around each.
- `channel`: a publication in a channel with 1,000 readers, all there, beside one with 100,000
  readers of which as many are there. In turns, so that both meet the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from tinode_py import access, ids

from .load import Client, FanOut, Sockets, masked, measured, session
from .machine import LOAD_CORE, pin, start, stop
from .measures import _close, _publication, _quiet, _size
from .people import People, Person, settle

TAGS = 1_000_000
WORDS = 50_000  # different tags
EACH = 4  # tags of one account, the address among them
SEARCHES = 400
READERS, HERE = 100_000, 1_000
_SUBSCRIPTION = "INSERT INTO subscription VALUES (?,?,0,0,?,?,NULL,0,0,0,0,'')"
_ACCOUNT = "INSERT INTO account VALUES (?,0,0,'ok',47,0,'{\"fn\":\"x\"}',NULL,NULL,?,41,0,'',0)"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale")
    parser.add_argument("--data", type=Path, default=None, help="a folder on a real disk")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tags", type=int, default=TAGS)
    parser.add_argument("only", nargs="*", choices=["find", "channel", []])
    options = parser.parse_args()
    pin(LOAD_CORE)
    with tempfile.TemporaryDirectory(dir=options.data) as scratch:
        folder = Path(scratch) / "data"
        people = settle(folder, count=HERE + 1, pairs=0, rooms=0)
        if "find" in (options.only or "find"):
            fill_tags(folder / "tinode.db", options.tags)
            with serving(folder) as (pid, port):
                person, count = people.everybody[0], options.tags // EACH
                wanted = list(addresses(random.Random(3), count))
                print(find(pid, port, person, "addresses", wanted), flush=True)
                words = list(searches(random.Random(2)))
                print(find(pid, port, person, "words", words), flush=True)
        if "channel" in (options.only or "channel"):
            small, large = (
                fill_channel(folder / "tinode.db", people, count) for count in (HERE, READERS)
            )
            with serving(folder) as (pid, port):
                work = Channels(pid, port, people, options.seconds, options.rounds)
                print(work.compare(small, large), flush=True)


@contextmanager
def serving(folder: Path, *settings: str) -> Iterator[tuple[int, int]]:
    """A server on a data folder: its process and its port."""
    command = [sys.executable, "-m", "tinode_py", "serve", "--data", str(folder)]
    command += ["--listen", "127.0.0.1:0", "--set", "log.level=warning"]
    for setting in settings:
        command += ["--set", setting]
    process, line = start(command, "listening on")
    try:
        yield process.pid, int(line.rpartition(":")[2])
    finally:
        stop(process)


# --- searching ---------------------------------------------------------------------------


def word(place: int) -> str:
    return f"topic:w{place}"


def address(n: int) -> str:
    return f"email:person{n}@example.org"


def fill_tags(path: Path, count: int) -> None:
    """Accounts with four tags each, as the store keeps them."""
    chance = random.Random(1)
    weights = [1 / place for place in range(1, WORDS + 1)]
    total = list(_sums(weights))
    places = range(WORDS)
    with sqlite3.connect(path) as db:
        for n in range(count // EACH):
            user = "usr" + ids.new_body(chance.randbytes)
            chosen = set(chance.choices(places, cum_weights=total, k=EACH))
            tags = [address(n), *map(word, sorted(chosen)[1 - EACH :])]
            db.execute(_ACCOUNT, (user, json.dumps(tags)))
            db.executemany("INSERT INTO tag VALUES (?,?)", [(tag, user) for tag in tags])
    db.close()


def _sums(weights: Sequence[float]) -> Iterator[float]:
    total = 0.0
    for weight in weights:
        total += weight
        yield total


def searches(chance: random.Random) -> Iterator[str]:
    for _ in range(SEARCHES):
        one, two, three = (word(int(WORDS ** chance.random())) for _ in range(3))
        yield chance.choice((one, f"{one} {two}", f"{one},{two}", f"{one} {two},{three}"))


def addresses(chance: random.Random, count: int) -> Iterator[str]:
    for _ in range(SEARCHES):
        yield address(chance.randrange(count))


def cpu_nanoseconds(pid: int) -> int:
    """Time on a core of all threads of a process."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text("ascii").split()[0]) for thread in threads)


def find(pid: int, port: int, person: Person, what: str, wanted: Sequence[str]) -> str:
    """One line about what searches cost."""
    client = session(port, person, "fnd")
    spent, rows = [], 0
    for n, query in enumerate(wanted):
        client.call("set", topic="fnd", desc={"public": query})
        frame = masked({"get": {"id": f"g{n}", "topic": "fnd", "what": "sub"}})
        before = cpu_nanoseconds(pid)
        client.socket.sendall(frame)
        answer = json.loads(client.wait(b'"g%d"' % n))
        spent.append((cpu_nanoseconds(pid) - before) / 1e6)
        rows += len(answer.get("meta", {}).get("sub", ()))
    client.close()
    cuts = statistics.quantiles(spent, n=100)
    p50, p90, p99, most = statistics.median(spent), cuts[89], cuts[98], max(spent)
    return (
        f"find {what}: p50 {p50:.2f} ms, p90 {p90:.2f} ms, p99 {p99:.2f} ms, most {most:.2f} ms of"
        f" the server's CPU; {rows / len(spent):.0f} rows on average"
    )


# --- a channel ---------------------------------------------------------------------------


def fill_channel(path: Path, people: People, readers: int) -> str:
    """A channel with so many readers, everybody but the first among them."""
    name = "grp" + ids.new_body(os.urandom)
    users = [person.user for person in people.everybody]
    chosen = users[1:] + ["usr" + ids.new_body(os.urandom) for _ in range(readers - HERE)]
    reader = access.CHANNEL_READER
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO topic VALUES (?,0,0,?,'ok',1,46,0,NULL,NULL,NULL,'[]',?)",
            (name, users[0], readers),
        )
        db.execute("INSERT INTO topic_tail VALUES (?,100000,0,0)", (name,))
        db.execute(_SUBSCRIPTION, (name, users[0], access.FULL, access.FULL))
        channel = ids.channel_of(name)
        db.executemany(_SUBSCRIPTION, [(channel, user, reader, reader) for user in chosen])
    db.close()
    return name


@attrs.frozen
class Channels:
    """Two channels of one server, measured in turns."""

    pid: int
    port: int
    people: People
    seconds: float
    rounds: int

    def compare(self, small: str, large: str) -> str:
        works = [self._attached(name) for name in (small, large)]
        costs: tuple[list[float], list[float]] = ([], [])
        for n in range(self.rounds + 1):
            for work, kept in zip(works, costs, strict=True):
                figures = measured(self.pid, self.seconds if n else 0.5, work.fan_out)
                if n:
                    kept.append(figures.cost * HERE)
                _quiet(work.author)
        for work in works:
            _close(work.fan_out.readers, *work.clients)
        one, other = map(statistics.median, costs)
        return (
            f"channel: a publication costs {one:.0f} µs with {HERE:,} readers, {other:.0f} µs with"
            f" {READERS:,}; {HERE:,} are there: {other / one:.3f} times as much"
        )

    def _attached(self, name: str) -> Audience:
        everybody = self.people.everybody
        author = session(self.port, everybody[0], name)
        readers = [session(self.port, p, ids.channel_of(name)) for p in everybody[1:]]
        for client in (author, *readers):
            _quiet(client)
        frame = _publication(name)
        author.socket.sendall(frame)
        author.wait(b'"ctrl"')
        size = _size(readers[0].wait(b'"data"'))
        sockets = Sockets(readers)
        sockets.drain()
        return Audience(author, readers, FanOut(author, sockets, len(readers), frame, size, 4))


@attrs.frozen
class Audience:
    author: Client
    readers: list[Client]
    fan_out: FanOut

    @property
    def clients(self) -> tuple[Client, ...]:
        return (self.author, *self.readers)


if __name__ == "__main__":
    main()
