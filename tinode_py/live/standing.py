"""The settings of now: what the server began with, under what was set at run time.

Who keeps something that was made of settings follows them. A change is made ready everywhere
first, where it may be refused, then stored, then in force at once: nobody sees half of it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Protocol

import attrs
import trio

from ..changes import Batch, Change
from ..changes_backend import PutSetting
from ..config import ConfigError, Settings, read_item, with_values
from ..queries_backend import StoredSettings
from ..runtime import check_live, overlaid, reread, to_json, values_of
from ..store.base import Store

log = logging.getLogger(__name__)

# Makes ready for settings, ConfigError if they cannot be; what it gives puts them in force.
Follower = Callable[[Settings], Callable[[], None]]
Noted = Callable[[Iterable[str]], tuple[Change, ...]]


class Settled(Protocol):
    """Something that looks at its settings whenever it needs them."""

    settings: Settings


def looking(at: Settled) -> Follower:
    """A follower for what keeps nothing but the settings themselves."""

    def ready(settings: Settings) -> Callable[[], None]:
        return lambda: setattr(at, "settings", settings)

    return ready


class Overtaken(Exception):
    """Somebody else has changed the same in the meantime."""


@attrs.define(eq=False)
class Standing:
    """`base` is from the file, the environment and the command line; `stored` goes before it."""

    store: Store
    base: Settings
    stored: dict[str, bytes]
    settings: Settings
    on_change: Callable[[], None] = lambda: None  # something was set here, for all nodes
    _followers: list[Follower] = attrs.field(factory=list)
    _lock: trio.Lock = attrs.field(factory=trio.Lock)

    def follow(self, *followers: Follower) -> None:
        self._followers.extend(followers)

    async def set(
        self,
        items: Iterable[str],
        noted: Noted = lambda names: (),
        still: Callable[[Settings], bool] = lambda settings: True,
    ) -> dict[str, Any]:
        """Change keys, `key=value` each, all or none; their values as they were understood.

        `noted` gives what is written in the same transaction. Raises ConfigError, StoreError;
        Overtaken if the settings in force by then are not `still` as the caller knew them.
        """
        async with self._lock:
            if not still(self.settings):
                raise Overtaken
            values = dict(map(read_item, items))
            check_live(values, self.base)
            typed = values_of(with_values(self.settings, values))
            found = {name: typed[name] for name in values}
            stored = {**self.stored, **{name: to_json(value) for name, value in found.items()}}
            changes = tuple(PutSetting(name, stored[name]) for name in found)
            await self._move(self.base, stored, (*changes, *noted(found)))
            return found

    async def unset(self, names: Iterable[str], noted: Noted = lambda names: ()) -> list[str]:
        """Forget what was set at run time; those of the keys for which something was.

        Works also if what is left makes no sense: then it is in force at the next start.
        """
        async with self._lock:
            gone = [name for name in dict.fromkeys(names) if name in self.stored]
            left = {name: value for name, value in self.stored.items() if name not in gone}
            changes = (*(PutSetting(name, None) for name in gone), *noted(gone))
            try:
                await self._move(self.base, left, changes)
            except ConfigError as error:
                log.warning("what is left of the settings cannot be in force: %s", error)
                await self.store.commit(Batch(changes))
                self.stored = left
            return gone

    async def read_again(self, base: Settings | None = None) -> tuple[list[str], list[str]]:
        """Take over what the store, and `base` if it is given, say now: the keys of `base` that
        have changed, and those of them that need a restart. Raises ConfigError, StoreError.
        """
        async with self._lock:
            new, live, late = reread(self.base, base or self.base)
            stored = await _stored(self.store)
            await self._move(new, stored, ())
            return live, late

    async def _move(
        self, base: Settings, stored: dict[str, bytes], changes: tuple[Change, ...]
    ) -> None:
        settings = overlaid(base, stored)
        ready = [follower(settings) for follower in self._followers]
        if changes:
            await self.store.commit(Batch(changes))
        self.base, self.stored, self.settings = base, stored, settings
        for put_in_force in ready:
            put_in_force()
        if changes:
            self.on_change()


@contextlib.asynccontextmanager
async def standing_on(
    base: Settings, store: Store, *, bare: bool = False
) -> AsyncIterator[tuple[Settings, Standing]]:
    """The settings in force at the start, and what changes them. ConfigError for a stored one
    that does not fit; `bare`: then none of those that are stored is in force.
    """
    stored = await _stored(store)
    settings = base if bare else _understood(base, stored)
    yield settings, Standing(store, base, stored, settings)


async def _stored(store: Store) -> dict[str, bytes]:
    rows = await store.fetch(StoredSettings())
    return dict(rows)


def _understood(base: Settings, stored: Mapping[str, bytes]) -> Settings:
    try:
        return overlaid(base, stored)
    except ConfigError as error:
        way = f"set at run time, `tinode-py config unset {error.key}` takes it back"
        raise ConfigError(error.key, f"{error.reason} ({way})") from None
