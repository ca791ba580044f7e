"""What a node and the owner of its store say to each other, and its bytes.

A node asks, under numbers that grow; the owner answers each, in any order. How objects are
spelled is said in `cluster.shapes`. Both have the same schema, or there is no connection
(`greeting`); within one schema a version may know classes that another does not: then the one
request is refused that has it, and the connection lives.
"""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any, Literal

import msgspec

from ... import audit, changes, changes_backend, queries, queries_backend, records
from ...access import Level
from ...changes import Change, Committed, Conflict, Stale
from ...store.coordination import Member
from .. import items
from ..items import BadMessage
from ..shapes import Shapes

PROTOCOL = 1  # raised when nodes of before would not understand


class Hello(msgspec.Struct, frozen=True):
    """The first word of a node: which run of which program it is."""

    protocol: int
    schema: int
    version: str
    run: bytes


class Settled(msgspec.Struct, frozen=True):
    """What became of a commit whose answer may not have come."""

    no: int
    answer: Done | Failed


class Welcome(msgspec.Struct, frozen=True):
    """The owner's answer. `owner` is another after each start of the owner.

    `known`: the run was here before, and `settled` has all its commits that came and are not
    known to be answered; none of them is under way any more.
    """

    owner: bytes
    known: bool = False
    settled: tuple[Settled, ...] = ()


class Unwelcome(msgspec.Struct, frozen=True):
    """The owner's answer to whom it does not serve."""

    reason: str


class Fetch(msgspec.Struct, frozen=True):
    """A query of `queries`."""

    no: int
    query: Any


class Commit(msgspec.Struct, frozen=True):
    """A batch that was handed in as that of `node`. Commits below `seen` are answered."""

    no: int
    node: int
    changes: tuple[Change, ...]
    now: int = 0
    patient: bool = False
    seen: int = 0


class Join(msgspec.Struct, frozen=True):
    """`Coordination.join`, and so on for the next ones."""

    no: int
    name: str
    address: str
    url: str


class Beat(msgspec.Struct, frozen=True):
    no: int
    node: int
    load: int
    draining: bool


class Fence(msgspec.Struct, frozen=True):
    no: int
    node: int
    lease: float


class Bury(msgspec.Struct, frozen=True):
    no: int
    node: int


class Claim(msgspec.Struct, frozen=True):
    no: int
    node: int
    topics: tuple[str, ...]


class Release(msgspec.Struct, frozen=True):
    no: int
    node: int
    topics: tuple[str, ...]


class Give(msgspec.Struct, frozen=True):
    no: int
    node: int
    topic: str
    to: int


class Leave(msgspec.Struct, frozen=True):
    no: int
    node: int


class Found(msgspec.Struct, frozen=True):
    """The answer to anything but a commit."""

    no: int
    value: Any = None


class Done(msgspec.Struct, frozen=True):
    """A commit's outcome."""

    no: int
    outcome: Committed | Conflict | Stale


class Failed(msgspec.Struct, frozen=True):
    """The store raised: StoreError, StoreAway or Fenced."""

    no: int
    kind: Literal["error", "away", "fenced"]
    text: str


class Unread(msgspec.Struct, frozen=True):
    """Never sent: in place of a message that has a number, and something that is not known."""

    no: int
    reason: str


Request = Fetch | Commit | Join | Beat | Fence | Bury | Claim | Release | Give | Leave
Answer = Found | Done | Failed


def _classes(prefix: str, *modules: ModuleType, base: type = object) -> dict[str, type]:
    return {
        f"{prefix}.{name}": cls
        for module in modules
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, base) and cls is not base
    }


_MESSAGES = (*Request.__args__, *Answer.__args__, Hello, Settled, Welcome, Unwelcome)
_SHAPES = Shapes(
    {
        **{cls.__name__: cls for cls in _MESSAGES},
        **_classes("changes", changes, changes_backend),
        **_classes("queries", queries, queries_backend, base=queries.Query),
        **_classes("records", records),
        **_classes("audit", audit),
        "access.Level": Level,
        "coordination.Member": Member,
    }
)


class Words:
    """A language of connections, of which those in `heard` are understood.

    `size` is the number of bytes of the message that was read last.
    """

    def __init__(self, heard: Any) -> None:
        self._heard: frozenset[type] = frozenset(heard.__args__)
        self._names = {cls.__name__ for cls in self._heard}
        self.size = 0

    def pack(self, message: Any) -> bytes:
        """BadMessage if it is longer than 64 MB, ValueError for what no text or number is."""
        return pack(message)

    def unpack(self, data: bytes) -> Any:
        """The message; an `Unread` where only what it carries is not known."""
        self.size = len(data)
        try:
            return _SHAPES.unpack(data, self._heard)
        except BadMessage as error:
            raw = items.read(data)
            no = raw.get("no") if type(raw) is dict and raw.get("") in self._names else None
            if type(no) is not int:
                raise
            return Unread(no, str(error))


def pack(message: Any) -> bytes:
    """One item. BadMessage if it is too long; ValueError for a text that is no UTF-8 or a number
    of more than 64 bits.
    """
    data = _SHAPES.pack(message)
    if b"\xc2" in data or b"\xc3" in data:  # a tag, perhaps; mostly it is a letter
        try:
            items.read(data)
        except BadMessage as error:
            raise ValueError(str(error)) from None
    return data


def unpack(data: bytes, *heard: type) -> Any:
    """One of `heard`. BadMessage if it is none."""
    return _SHAPES.unpack(data, frozenset(heard))
