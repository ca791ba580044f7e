"""All kinds of benchmarks by their names, in the order in which they are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from . import (
    bursts,
    channels,
    crowds,
    growing,
    held,
    mixed,
    polling,
    publishing,
    receiving,
    sending,
    storms,
    tails,
    visiting,
)
from .figures import Row
from .setup import Setup

Kind = Callable[[Setup], Iterator[Row]]

KINDS: Mapping[str, Kind] = {
    "fan-out": publishing.fan_out,
    "pairs": publishing.pairs,
    "rooms": publishing.rooms,
    "history": visiting.history,
    "coming": visiting.coming,
    "memory": visiting.memory,
    "receiving": receiving.receiving,
    "idle": held.idle,
    "storms": storms.storms,
    "bursts": bursts.bursts,
    "mixed": mixed.mixed,
    "channels": channels.channels,
    "presence": crowds.presence,
    "dead": crowds.dead,
    "group": crowds.group,
    "polling": polling.polling,
    "sends": sending.sends,
    "collector": tails.collector,
    "commits": tails.commits,
    "growth": growing.growth,
    "start": growing.start,
    "held": held.held,
}
