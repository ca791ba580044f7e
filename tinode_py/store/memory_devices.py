"""What devices and notifications mean, on dicts."""

from __future__ import annotations

from ..access import PRES, READ
from ..changes import DEVICES_KEPT, DropDevice, PutDevice
from ..ids import group_of
from ..queries import ChannelsOf, DeviceById, DevicesOf, UnreadOf
from ..records import Device, Subscription
from .tables import Tables


def put_device(tables: Tables, change: PutDevice) -> None:
    tables.devices.put(change.device.id, change.device)
    for old in _of(tables, change.device.user)[DEVICES_KEPT:]:
        tables.devices.drop(old.id)


def drop_device(tables: Tables, change: DropDevice) -> None:
    device = tables.devices.rows.get(change.id)
    if device is not None and device.user == change.user:
        tables.devices.drop(change.id)


def drop_devices(tables: Tables, user: str) -> None:
    for device in _of(tables, user):
        tables.devices.drop(device.id)


def _of(tables: Tables, user: str) -> tuple[Device, ...]:
    found = (device for device in tables.devices.rows.values() if device.user == user)
    return tuple(sorted(found, key=lambda device: (-device.seen, device.id)))


def device_by_id(tables: Tables, query: DeviceById) -> Device | None:
    return tables.devices.rows.get(query.id)


def devices_of(tables: Tables, query: DevicesOf) -> dict[str, tuple[Device, ...]]:
    return {user: found for user in sorted(query.users) if (found := _of(tables, user))}


def unread_of(tables: Tables, query: UnreadOf) -> dict[str, int]:
    found = dict.fromkeys(sorted(query.users), 0)
    for sub in tables.subscriptions.rows.values():
        if sub.user in found and not sub.deleted and sub.mode & READ:
            found[sub.user] += _unread(tables, sub)
    return found


def _unread(tables: Tables, sub: Subscription) -> int:
    name = group_of(sub.topic) if sub.topic.startswith("chn") else sub.topic
    topic = tables.topics.rows.get(name)
    return max(topic.seq - sub.read, 0) if topic else 0


def channels_of(tables: Tables, query: ChannelsOf) -> tuple[str, ...]:
    subs = tables.subscriptions.rows.values()
    return tuple(
        sorted(
            sub.topic
            for sub in subs
            if sub.user == query.user
            and sub.topic.startswith("chn")
            and not sub.deleted
            and sub.mode & (READ | PRES) == READ | PRES
        )
    )
