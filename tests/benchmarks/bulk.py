"""A store with very many users, conversations and messages, written straight by SQL.

What is made is kept, for it takes minutes: a second run finds it, unless the schema has changed.
Messages have no places in inboxes, as those that are older than `inbox.days` have none.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import attrs

from tinode_py import ids

from .people import PRIVATE, People, Person, settle

EACH = 100  # messages of a conversation
PAIRS = 100  # conversations of people whose tokens are known
_SCHEMA = Path(__file__).parents[2] / "schema" / "sqlite"
_ACCOUNT = (
    "INSERT INTO account (id, created, updated, state, auth, anon, public, tags, want, last_seen,"
    " user_agent, serial) VALUES (?, 0, 0, 'ok', 47, 0, '{\"fn\":\"x\"}', '[]', 41, 0, '', 0)"
)
_TOPIC = (
    "INSERT INTO topic (name, created, updated, owner, state, channel, auth, anon, tags, readers)"
    " VALUES (?, 0, 0, '', 'ok', 0, 0, 0, '[]', 0)"
)
_TAIL = "INSERT INTO topic_tail (topic, seq, touched, delid) VALUES (?, ?, 0, 0)"
_SUBSCRIPTION = (
    "INSERT INTO subscription (topic, user, created, updated, want, given, read, recv, clear,"
    f" deleted, peer) VALUES (?, ?, 0, 0, {PRIVATE}, {PRIVATE}, 0, 0, 0, 0, ?)"
)
_MESSAGES = """
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?)
INSERT INTO message (topic, seq, sender, ts, content)
SELECT topic, n, 'usrAAAAAAAAAAA', 0, printf('"%064d"', n) FROM filled CROSS JOIN number
"""  # in the order of the table, which is that of its key


@attrs.frozen
class Amount:
    users: int
    topics: int
    messages: int

    def __str__(self) -> str:
        return f"{self.users:,} users, {self.messages:,} messages"


def filled(cache: Path, amount: Amount) -> tuple[Path, People]:
    """A data folder with so much in it; people of whom each pair has a conversation."""
    schema = len(list(_SCHEMA.glob("*.sql")))
    name = f"bulk-{amount.users}-{amount.topics}-{amount.messages}"
    folder = cache / f"{name}-{schema}"
    kept = folder / "people.json"
    if not kept.exists():
        for former in cache.glob(f"{name}-*"):
            shutil.rmtree(former)
        folder.parent.mkdir(parents=True, exist_ok=True)
        people = settle(folder, 2 * PAIRS, PAIRS, 0, EACH)
        _fill(folder / "tinode.db", amount)
        kept.write_text(json.dumps(attrs.asdict(people)), "utf-8")
    return folder, _people(json.loads(kept.read_text("utf-8")))


def _people(value: dict[str, list[dict[str, str]]]) -> People:
    everybody = tuple(Person(**it) for it in value["everybody"])
    pairs = tuple((everybody[2 * n], everybody[2 * n + 1]) for n in range(PAIRS))
    return People(everybody, str(value["hall"]), (), pairs)


def _fill(path: Path, amount: Amount) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000"):
        db.execute(f"PRAGMA {pragma}")
    chance = random.Random(1)
    users = ["usr" + ids.new_body(chance.randbytes) for _ in range(amount.users - 2 * PAIRS)]
    db.execute("BEGIN")
    db.executemany(_ACCOUNT, ((user,) for user in sorted(users)))
    _conversations(db, users, amount)
    db.execute("COMMIT")
    db.execute("ANALYZE message")
    db.close()


def _conversations(db: sqlite3.Connection, users: list[str], amount: Amount) -> None:
    count = amount.topics - PAIRS
    each = (amount.messages - PAIRS * EACH) // max(1, count)
    couples = sorted(_couples(users, count))
    db.executemany(_TOPIC, ((name,) for name, _, _ in couples))
    db.executemany(_TAIL, ((name, each) for name, _, _ in couples))
    rows = (row for name, one, other in couples for row in ((name, one, other), (name, other, one)))
    db.executemany(_SUBSCRIPTION, rows)
    if each:
        db.execute("CREATE TEMP TABLE filled (topic TEXT PRIMARY KEY) WITHOUT ROWID")
        db.executemany("INSERT INTO filled VALUES (?)", ((name,) for name, _, _ in couples))
        db.execute(_MESSAGES, (each,))


def _couples(users: list[str], count: int) -> Iterator[tuple[str, str, str]]:
    """Conversations of neighbours, then of those two apart, until there are enough."""
    for n in range(count):
        step = n // len(users) + 1
        one, other = users[n % len(users)], users[(n + step) % len(users)]
        yield ids.p2p_name(one, other), one, other
