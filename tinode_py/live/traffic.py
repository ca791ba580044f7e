"""What one node of several counts."""

from __future__ import annotations

import attrs


@attrs.frozen
class Traffic:
    """What went over links, since the start; `waiting` is of now. In bytes, but for messages."""

    sent: int = 0
    received: int = 0
    messages_sent: int = 0
    messages_received: int = 0
    waiting: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        both = zip(attrs.astuple(self), attrs.astuple(other), strict=True)
        return Traffic(*(one + another for one, another in both))


@attrs.frozen
class NodeStatistics:
    """Of one node, as of now; `fenced` counts since the start.

    - `members`: nodes of the cluster, this one included.
    - `links`: nodes that it reaches.
    - `owned`, `proxies`: topics that it has, and those of other nodes that its sessions use.
    - `jobs`: what it does for all.
    - `moved`, `kept`: topics that were given to other nodes; that were to be, and could not.
    - `fenced`, `fenced_at`: how often it was taken for dead, and when last (ms since 1970; 0).
    """

    members: int
    links: int
    owned: int
    proxies: int
    jobs: int
    moved: int
    kept: int
    fenced: int
    fenced_at: int
    traffic: Traffic

    def figures(self) -> dict[str, int]:
        """All of them by name."""
        found = attrs.asdict(self)
        traffic: dict[str, int] = found.pop("traffic")
        return {**found, **traffic}
