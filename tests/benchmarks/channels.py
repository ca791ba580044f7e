"""A publication in a channel with 1,000 readers, all there, beside one with 100,000 readers of
which as many are there; in turns, so that both meet the same machine.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tinode_py import access, ids

from .arriving import Wanted, come
from .figures import Row, row
from .load import close, session
from .people import People
from .publishing import Audience, audience
from .setup import SILENT, Server, Setup, serving
from .work import Way, in_turns

READERS, HERE = 100_000, 1_000
FLIGHT = 4
_SUBSCRIPTION = "INSERT INTO subscription VALUES (?,?,0,0,?,?,NULL,0,0,0,0,'')"


def channels(setup: Setup) -> Iterator[Row]:
    here, most = setup.sized(HERE), setup.sized(READERS, 8)
    folder, people = setup.settled(here + 1)
    names = [fill(folder / "tinode.db", people, count) for count in (here, most)]
    with serving(folder, *SILENT) as (pid, port):
        server = Server(pid, port, people, folder)
        small, large = (_attached(server, name) for name in names)
        ways = [Way(pid, it.work(FLIGHT)) for it in (small, large)]
        few, many = in_turns(setup.seconds, max(3, setup.rounds), *ways)
        for readers, cost in ((here, few), (most, many)):
            figures = {"cost": cost.cost * here, "rate": cost.rate / here, "load": cost.load}
            if cost is many:
                figures["times"] = many.cost / few.cost
            work = f"a channel with {readers:,} readers, {here:,} of them there"
            yield row(work, *cost.notes, **figures)
        for there in (small, large):
            close([there.author, *there.readers], there.sockets)


def fill(path: Path, people: People, readers: int) -> str:
    """A channel with so many readers, everybody but the first among them."""
    name = "grp" + ids.new_body(os.urandom)
    users = [person.user for person in people.everybody]
    strangers = readers - len(users) + 1
    chosen = users[1:] + ["usr" + ids.new_body(os.urandom) for _ in range(strangers)]
    reader = access.CHANNEL_READER
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO topic (name, created, updated, owner, state, channel, auth, anon, tags,"
            " readers) VALUES (?, 0, 0, ?, 'ok', 1, 46, 0, '[]', ?)",
            (name, users[0], readers),
        )
        db.execute("INSERT INTO topic_tail VALUES (?,100000,0,0)", (name,))
        db.execute(_SUBSCRIPTION, (name, users[0], access.FULL, access.FULL))
        channel = ids.channel_of(name)
        db.executemany(_SUBSCRIPTION, [(channel, user, reader, reader) for user in chosen])
    db.close()
    return name


def _attached(server: Server, name: str) -> Audience:
    everybody = server.people.everybody
    author = session(server.port, everybody[0], name)
    channel = ids.channel_of(name)
    readers = come(server.port, [Wanted(person, (channel,)) for person in everybody[1:]])
    return audience(server.pid, author, readers, name)
