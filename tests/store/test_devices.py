"""Devices, and what notifications ask for."""

from __future__ import annotations

from tests.store.made import ANN, BOB, CAT, CHANNEL, GROUP, PAIR, people, published, put, sub
from tinode_py.access import parse_set
from tinode_py.changes import (
    DEVICES_KEPT,
    DeleteUser,
    DropDevice,
    PutDevice,
    PutSubscription,
    SetMarks,
)
from tinode_py.queries import ChannelsOf, DeviceById, DevicesOf, UnreadOf
from tinode_py.records import Device

PHONE = Device("phone", ANN, "ios", "de", 5)


async def test_a_device_comes_back_as_it_was_put(store):
    await put(store, PutDevice(PHONE), PutDevice(Device("tablet", ANN, seen=7)))
    assert await store.fetch(DeviceById("phone")) == PHONE
    assert await store.fetch(DeviceById("other")) is None
    found = await store.fetch(DevicesOf((BOB, ANN, ANN)))
    assert found == {ANN: (Device("tablet", ANN, seen=7), PHONE)}


async def test_a_device_belongs_to_one_user_at_a_time(store):
    await put(store, PutDevice(PHONE), PutDevice(Device("phone", BOB)))
    assert await store.fetch(DevicesOf((ANN, BOB))) == {BOB: (Device("phone", BOB),)}
    await put(store, DropDevice(ANN, "phone"))
    assert await store.fetch(DeviceById("phone")) is not None
    await put(store, DropDevice(BOB, "phone"))
    assert await store.fetch(DeviceById("phone")) is None


async def test_only_the_latest_devices_of_a_user_stay(store):
    names = [f"d{n:03}" for n in range(DEVICES_KEPT + 3)]
    await put(store, *(PutDevice(Device(name, ANN, seen=n)) for n, name in enumerate(names)))
    await put(store, PutDevice(Device("his", BOB)))
    found = await store.fetch(DevicesOf((ANN,)))
    assert [device.id for device in found[ANN]] == names[:2:-1]
    assert await store.fetch(DeviceById("his")) is not None


async def test_devices_end_with_the_account(store):
    for user, hard in ((ANN, True), (BOB, False)):
        await put(store, PutDevice(Device(user, user)), DeleteUser(user, hard, 5))
    assert await store.fetch(DevicesOf((ANN, BOB))) == {}


async def test_unread_messages_of_all_topics_are_added_up(store):
    await people(store)
    await published(store, 5)
    await published(store, 3, PAIR)
    await put(store, SetMarks(GROUP, ANN, 2, 5), SetMarks(PAIR, BOB, 3, 3))
    found = await store.fetch(UnreadOf((ANN, BOB, CAT)))
    assert found == {ANN: 3 + 3, BOB: 5, CAT: 0}


async def test_what_is_not_readable_or_has_ended_is_not_unread(store):
    await people(store)
    await published(store, 5)
    await put(
        store,
        PutSubscription(sub(GROUP, ANN, given=parse_set("JWP"))),
        PutSubscription(sub(GROUP, BOB, deleted=9)),
        PutSubscription(sub(CHANNEL, CAT, read=1, want=parse_set("JR"))),
    )
    assert await store.fetch(UnreadOf((ANN, BOB, CAT))) == {ANN: 0, BOB: 0, CAT: 4}


async def test_channels_of_a_reader(store):
    await people(store)
    assert await store.fetch(ChannelsOf(ANN)) == ()
    await put(
        store,
        PutSubscription(sub(CHANNEL, ANN)),
        PutSubscription(sub(CHANNEL, BOB, want=parse_set("JR"))),
        PutSubscription(sub(CHANNEL, CAT, deleted=5)),
    )
    assert await store.fetch(ChannelsOf(ANN)) == (CHANNEL,)
    assert await store.fetch(ChannelsOf(BOB)) == ()
    assert await store.fetch(ChannelsOf(CAT)) == ()
