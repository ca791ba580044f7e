"""Which device a session speaks from: what {hi} tells of it is kept for notifications.

A device belongs to the user who logged in on it last. It is written when it is new or has
changed, and else once a day, so that a wave of reconnecting clients writes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs

from ..changes import Batch, Change, DropDevice, PutDevice
from ..core.merge import DELETE
from ..errors import StoreError
from ..queries import DeviceById
from ..records import Device
from ..store.base import Store
from .person import Person
from .pushing import Pushing

log = logging.getLogger(__name__)

DAY = 86_400_000  # ms


def named(device: str) -> str:
    """The device that {hi} names, "" for none."""
    return "" if device == DELETE else device


@attrs.frozen
class Devices:
    """Keeps the book of devices. Its methods wait for the store."""

    store: Store
    now: Callable[[], int]
    pushing: Pushing | None = None

    async def logged_in(self, person: Person) -> None:
        """The user of a session is known: so is whose device it is."""
        try:
            await self.seen(person)
        except StoreError:  # whoever may come in comes in
            log.exception("a device could not be kept", extra={"user": person.user})

    async def seen(self, person: Person) -> None:
        """The session's device, or what is known of it, may have changed."""
        if person.device and person.user:
            await self._keep(person)

    async def change(self, person: Person, device: str) -> None:
        """The session's device has another name from now on, or ("") none any more."""
        former, person.device = person.device, device
        if device:
            await self._keep(person)
        if former and former != device:
            await self._drop(person.user, former)

    async def _keep(self, person: Person) -> None:
        now = self.now()
        device = Device(person.device, person.user, person.platform, person.language, now)
        known = await self.store.fetch(DeviceById(device.id))
        if known is not None and attrs.evolve(known, seen=now) == device and now - known.seen < DAY:
            return
        await self._write(PutDevice(device))
        if known is None or known.user != device.user:
            if known is not None:
                self._tell(known.id, known.user, on=False)
            self._tell(device.id, device.user, on=True)

    async def _drop(self, user: str, device: str) -> None:
        await self._write(DropDevice(user, device))
        self._tell(device, user, on=False)

    async def _write(self, change: Change) -> None:
        await self.store.commit(Batch((change,)))

    def _tell(self, device: str, user: str, *, on: bool) -> None:
        if self.pushing is not None:
            self.pushing.registered(device, user, on=on)
