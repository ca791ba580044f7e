"""Devices and what notifications need to know, in SQL, by index alone."""

from __future__ import annotations

from ..access import PRES, READ
from ..changes import DEVICES_KEPT, DropDevice, PutDevice
from ..queries import ChannelsOf, DeviceById, DevicesOf, UnreadOf
from ..records import Device
from . import rows
from .statements import Statements

_COLUMNS = ("id", "user", "platform", "language", "seen")
_DEVICE = f"SELECT {rows.selected('d', _COLUMNS)} FROM "
_PUT = rows.upsert("device", _COLUMNS)
_DROP_OLD = """
DELETE FROM device WHERE id IN (
    SELECT id FROM device WHERE user = ?1 ORDER BY seen DESC, id LIMIT -1 OFFSET ?2)"""
_UNREAD = f"""
SELECT j.value, CAST(sum(max(n.seq - s.read, 0)) AS BIGINT)
FROM json_each(?1) AS j
CROSS JOIN subscription AS s ON s.user = j.value
CROSS JOIN topic_tail AS n
    ON n.topic = {rows.conversation("s.topic")}
WHERE s.deleted = 0 AND s.want & s.given & ?2 <> 0
GROUP BY j.value"""
_CHANNELS = """
SELECT topic FROM subscription
WHERE user = ?1 AND topic >= 'chn' AND topic < 'cho' AND deleted = 0 AND want & given & ?2 = ?2
ORDER BY topic"""


def put_device(db: Statements, change: PutDevice) -> None:
    device = change.device
    row = (device.id, device.user, device.platform, device.language, device.seen)
    db.run(_PUT, row)
    db.run(_DROP_OLD, (device.user, DEVICES_KEPT))


def drop_device(db: Statements, change: DropDevice) -> None:
    db.run("DELETE FROM device WHERE id = ? AND user = ?", (change.id, change.user))


def device_by_id(db: Statements, query: DeviceById) -> Device | None:
    row = db.row(_DEVICE + "device AS d WHERE d.id = ?", (query.id,))
    return None if row is None else Device(*row)


def devices_of(db: Statements, query: DevicesOf) -> dict[str, tuple[Device, ...]]:
    found: dict[str, tuple[Device, ...]] = {}
    for row in db.rows(
        _DEVICE + "json_each(?) AS j CROSS JOIN device AS d ON d.user = j.value "
        "ORDER BY d.user, d.seen DESC, d.id",
        (rows.encoded(sorted(set(query.users))),),
    ):
        device = Device(*row)
        found[device.user] = (*found.get(device.user, ()), device)
    return found


def unread_of(db: Statements, query: UnreadOf) -> dict[str, int]:
    users = sorted(set(query.users))
    found = db.rows(_UNREAD, (rows.encoded(users), READ))
    return dict.fromkeys(users, 0) | dict(found)


def channels_of(db: Statements, query: ChannelsOf) -> tuple[str, ...]:
    return tuple(row[0] for row in db.rows(_CHANNELS, (query.user, READ | PRES)))
