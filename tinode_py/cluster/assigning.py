"""To which node the holder of a ticket is sent (`cluster.assign`)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import attrs

Policy = Literal["round_robin", "random", "least_loaded", "user_hash"]


@attrs.frozen
class Candidate:
    """A node to which clients may be sent."""

    id: int
    name: str
    url: str
    load: int  # sessions, as of its last beat


@attrs.define
class Assigning:
    """Chooses among the nodes there are. `random_bytes` is chance."""

    policy: Policy
    random_bytes: Callable[[int], bytes]
    _turn: int = 0
    _sent: Counter[int] = attrs.field(factory=Counter)  # since the last beats

    def beaten(self) -> None:
        """The loads are new."""
        self._sent.clear()

    def choose(self, candidates: Sequence[Candidate], user: str) -> Candidate:
        """One of them; there is at least one."""
        found = sorted(candidates, key=lambda it: it.id)
        chosen = self._chosen(found, user)
        self._sent[chosen.id] += 1
        return chosen

    def _chosen(self, found: Sequence[Candidate], user: str) -> Candidate:
        match self.policy:
            case "random":
                return found[int.from_bytes(self.random_bytes(8), "big") % len(found)]
            case "least_loaded":
                return min(found, key=lambda it: it.load + self._sent[it.id])
            case "user_hash":  # of a node more or less, no other user is moved
                return max(found, key=lambda it: _weight(it.name, user))
            case _:
                self._turn += 1
                return found[self._turn % len(found)]


def _weight(node: str, user: str) -> bytes:
    return hashlib.blake2b(f"{node} {user}".encode(), digest_size=8).digest()
