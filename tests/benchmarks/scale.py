"""`python -m tests.benchmarks.scale`: searches among a million tags.

Each account has an address and some words; a word in
  place r of the list is held by about 1/r of those who hold the first one, as words are in a
  language. Searches for addresses, and for words: one, two, or alternatives, of any place (the
  logarithm of the place is uniform: frequent words are asked for often). The server's CPU is
  read to the nanosecond around each.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tinode_py import ids

from .load import masked, session
from .machine import LOAD_CORE, cpu_nanoseconds, pin
from .people import Person, settle
from .setup import serving

TAGS = 1_000_000
WORDS = 50_000  # different tags
EACH = 4  # tags of one account, the address among them
SEARCHES = 400
_ACCOUNT = "INSERT INTO account VALUES (?,0,0,'ok',47,0,'{\"fn\":\"x\"}',NULL,NULL,?,41,0,'',0)"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale")
    parser.add_argument("--data", type=Path, default=None, help="a folder on a real disk")
    parser.add_argument("--tags", type=int, default=TAGS)
    options = parser.parse_args()
    pin(LOAD_CORE)
    with tempfile.TemporaryDirectory(dir=options.data) as scratch:
        folder = Path(scratch) / "data"
        people = settle(folder, count=1, pairs=0, rooms=0)
        fill_tags(folder / "tinode.db", options.tags)
        with serving(folder) as (pid, port):
            person, count = people.everybody[0], options.tags // EACH
            wanted = list(addresses(random.Random(3), count))
            print(find(pid, port, person, "addresses", wanted), flush=True)
            words = list(searches(random.Random(2)))
            print(find(pid, port, person, "words", words), flush=True)


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


if __name__ == "__main__":
    main()
