"""What was done and seen, and what must be true of it.

Nothing here raises: what is wrong is written down, since most of it is noticed in the middle of
what a server does.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import Any

import attrs
import trio

from tinode_py.changes import AppendMessage, Batch
from tinode_py.ids import is_user, p2p_users
from tinode_py.store.coordination import MemoryCoordination
from tinode_py.store.memory import MemoryStore


@attrs.define(eq=False)
class History:
    """Of one schedule. `counts`: faults, by kind, and how often a node was fenced."""

    store: MemoryStore
    coordination: MemoryCoordination
    wrong: list[str] = attrs.field(factory=list)
    acknowledged: dict[str, tuple[str, int]] = attrs.field(factory=dict)  # by content
    committed: int = 0
    seen: int = 0
    answers: dict[int, int] = attrs.field(factory=lambda: defaultdict(int))
    _hash: Any = attrs.field(factory=sha256)
    counts: dict[str, int] = attrs.field(factory=lambda: defaultdict(int))
    story: list[str] | None = None

    def begin(self) -> None:
        """Another schedule begins, on what there is."""
        self.committed = self.seen = 0
        self.answers.clear()
        self.counts.clear()
        if self.story is not None:
            self.story.clear()

    def note(self, *words: object) -> None:
        """What happened: a part of the digest that tells two runs apart."""
        line = f"{trio.current_time():9.4f} {' '.join(map(str, words))}"
        self._hash.update(line.encode())
        if self.story is not None:
            self.story.append(line)

    @property
    def digest(self) -> str:
        return str(self._hash.hexdigest()[:16])

    def count(self, what: str) -> None:
        """Something has happened that should happen in some schedules."""
        self.counts[what] += 1

    def complain(self, *words: object) -> None:
        self.note("WRONG:", *words)
        self.wrong.append(f"{trio.current_time():.3f} {' '.join(map(str, words))}")

    # --- what is stored ------------------------------------------------------------------

    def on_commit(self, node: int, batch: Batch) -> None:
        """A node is about to write a batch."""
        for change in batch.changes:
            if not isinstance(change, AppendMessage):
                continue
            message = change.message
            self.committed += 1
            self.note("node", node, "writes", message.topic, message.seq, message.content)
            owner = self.coordination._claims.get(message.topic)
            if owner != node:
                self.complain(f"node {node} writes to {message.topic}, which is node {owner}'s")

    def answered(self, code: int, content: str, topic: str, seq: int) -> None:
        """A publication was answered."""
        self.answers[code] += 1
        if code < 300:
            self.acknowledged[content] = topic, seq

    def check_store(self) -> None:
        """Numbers without a gap; what was acknowledged is there, all of it once."""
        places: dict[str, list[tuple[str, int]]] = defaultdict(list)
        numbers: dict[str, list[int]] = defaultdict(list)
        for (topic, seq), message in self.store._tables.messages.rows.items():
            places[message.content.decode().strip('"')].append((topic, seq))
            numbers[topic].append(seq)
        for topic, found in numbers.items():
            if sorted(found) != list(range(1, len(found) + 1)):
                self.complain(f"{topic} has the messages {sorted(found)}")
        for content, place in self.acknowledged.items():
            if places[content] != [place]:
                self.complain(f"{content} was acknowledged as {place}, is at {places[content]}")
        for content, found_at in places.items():
            if len(found_at) > 1:
                self.complain(f"{content} is stored more than once: {found_at}")
        self._check_inboxes(numbers)

    def _check_inboxes(self, numbers: dict[str, list[int]]) -> None:
        for user, page in self.store._tables.inboxes.rows.items():
            if [item.n for item in page.items] != list(range(1, len(page.items) + 1)):
                self.complain(f"the inbox of {user} is {[item.n for item in page.items]}")
            there = [(item.topic, item.seq) for item in page.items if item.seq]
            wanted = {
                (topic, seq)
                for topic, found in numbers.items()
                if topic.startswith("p2p") and user in p2p_users(topic)
                for seq in found
            }
            if sorted(there) != sorted(wanted):
                self.complain(f"the inbox of {user} lacks {wanted - set(there)}, or repeats")


def is_private(topic: str) -> bool:
    return is_user(topic)
