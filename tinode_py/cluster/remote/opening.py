"""The store of another node, and the own one for others, as the settings say."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import trio

from ...config import ConfigError, Settings, remote
from ...store.coordination import MemoryCoordination
from ...store.fenced import OwnedStore
from ...store.migrate import numbered, packaged
from ..membership import BEATS
from ..reach import Reach
from ..secret import cluster_secret
from .line import Line, Way
from .owner import Identity, Owner
from .store import PATIENCE, RemoteStore, open_remote

RandomBytes = Callable[[int], bytes]


class Stopwatch:
    """Seconds of a clock that is looked at all the time; a longer look away counts as `most`.

    So nobody is silent while this process stands still: what they said meanwhile waits to be
    read.
    """

    def __init__(self, now: Callable[[], float], most: float) -> None:
        self._now = now
        self._most = most
        self._last = now()
        self._seconds = 0.0

    def __call__(self) -> float:
        now = self._now()
        self._seconds += min(now - self._last, self._most)
        self._last = now
        return self._seconds


def shared_by(store: OwnedStore, lease: float) -> MemoryCoordination:
    """The members of the cluster of a file, which this process has."""
    return store.coordination(Stopwatch(trio.current_time, lease / 4))


def owner_of(
    store: OwnedStore,
    coordination: MemoryCoordination,
    settings: Settings,
    random_bytes: RandomBytes,
) -> Owner:
    """Who serves them to other nodes. ConfigError without a secret; blocks for a moment."""
    secret = cluster_secret(settings, random_bytes, make=True)
    return Owner(
        store,
        coordination,
        _identity(secret),
        random_bytes=random_bytes,
        lease=settings.cluster.lease,
        queue=settings.cluster.queue,
    )


@contextlib.asynccontextmanager
async def opened(
    settings: Settings, reach: Reach, random_bytes: RandomBytes, patience: float = PATIENCE
) -> AsyncIterator[RemoteStore]:
    """The store that `server.store` names, while the block runs. ConfigError, or StoreError if it
    cannot be had within `patience` seconds.
    """
    address = remote(settings)
    assert address is not None
    if not settings.cluster.listen:
        raise ConfigError(
            "cluster.listen", "is wanted: with the store of another node this is one of its nodes"
        )
    secret = cluster_secret(settings, random_bytes, make=False)
    line = Line(
        Way(partial(reach.connect, address), settings.server.store),
        _identity(secret),
        random_bytes=random_bytes,
        lease=settings.cluster.lease,
        queue=settings.cluster.queue,
    )
    async with open_remote(line, patience) as store:
        yield store


async def wait_for_leavers(
    coordination: MemoryCoordination, own: int, lease: float, seconds: float
) -> None:
    """Wait until no other member is about to leave, or for so long: who is told to stop at the same
    time as the owner of the store needs it to the end.
    """
    with trio.move_on_after(seconds):
        if len(coordination.members()) > 1:
            await trio.sleep(2 * lease / BEATS)  # they say so with a beat
        while True:
            if not any(it.draining and it.id != own for it in coordination.members()):
                return
            await trio.sleep(lease / BEATS)


def _identity(secret: bytes) -> Identity:
    try:
        ours = version("tinode-py")
    except PackageNotFoundError:
        ours = "source"
    return Identity(secret, max(numbered(packaged())), ours)
