"""Where work that waits for the disk is done: in a thread, or at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

T = TypeVar("T")


class Run(Protocol):
    """Does blocking work and gives its result, or raises what it raised."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


async def in_thread(work: Callable[[], T], /) -> T:
    """In one of Trio's threads. Once begun it is not cancelled."""
    return await trio.to_thread.run_sync(work)


async def inline(work: Callable[[], T], /) -> T:
    """On the loop's thread: a virtual clock would run on beside another one."""
    await trio.lowlevel.checkpoint()
    return work()
