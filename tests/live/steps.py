"""Counting calls of the server's own functions, those included that make its objects."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import attrs

ROOT = str(Path(sys.modules["tinode_py"].__path__[0])) + "/"
ASIDE = tuple(ROOT + part for part in ("client/", "testing/"))
MADE = "<attrs generated methods tinode_py."
ASIDE_MADE = tuple(MADE + part for part in ("client", "testing"))
TIMES, ROUNDS = 4, 10


@attrs.define
class Steps:
    count: int = 0

    def profile(self, frame: FrameType, event: str, arg: Any) -> None:
        # Comprehensions are functions only in older Pythons.
        if event == "call" and not frame.f_code.co_name.startswith("<"):
            file = frame.f_code.co_filename
            if file.startswith((ROOT, MADE)) and not file.startswith((*ASIDE, *ASIDE_MADE)):
                self.count += 1


@contextmanager
def counted() -> Iterator[Steps]:
    steps, before = Steps(), sys.getprofile()
    sys.setprofile(steps.profile)
    try:
        yield steps
    finally:
        sys.setprofile(before)


async def cost(work: Callable[[], Awaitable[Any]], rounds: int = ROUNDS) -> float:
    """Steps of one request: the least average of several rounds of some."""
    await work()
    return min([await _average(work) for _ in range(rounds)])


async def _average(work: Callable[[], Awaitable[Any]]) -> float:
    with counted() as steps:
        for _ in range(TIMES):
            await work()
    return steps.count / TIMES
