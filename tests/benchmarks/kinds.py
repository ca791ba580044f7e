"""All kinds of benchmarks by their names, in the order in which they are taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from . import channels, crowds, held, publishing, sending, visiting
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
    "idle": held.idle,
    "channels": channels.channels,
    "presence": crowds.presence,
    "dead": crowds.dead,
    "group": crowds.group,
    "sends": sending.sends,
    "held": held.held,
}
