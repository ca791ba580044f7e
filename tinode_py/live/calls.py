"""Calls that somebody has left behind: an earlier run of the server, or a node that is lost.

Their topics are loaded, if nobody else has done so. Whoever loads one sees to the call in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from ..core.events import Woken
from ..errors import StoreError
from ..queries import CallsAfter
from .hub import Hub
from .rules import Item

log = logging.getLogger(__name__)

PAGE = 200
PAUSE = 1.0  # seconds between attempts


async def see_to_calls(hub: Hub, is_loaded: Callable[[str], bool], delay: float = 0.0) -> None:
    """Load every conversation in which a call rings or runs. `delay` seconds are given to those
    who have sessions in one.
    """
    await trio.sleep(delay)
    after = ""
    while not hub.closing:
        try:
            names = await hub.store.fetch(CallsAfter(after, PAGE))
        except StoreError as error:
            hub.complaints.failed("calls that were left behind could not be read", error)
            await trio.sleep(PAUSE)
            continue
        for name in names:
            if hub.inbox_of(name) is None and not is_loaded(name):
                hub.submit(name, Item(Woken()))
        if len(names) < PAGE:
            return
        after = names[-1]
