"""Who is notified of what, seen from a pusher."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest

from tests.push.fakes import FakePusher, pushing_server, settle
from tinode_py import ids
from tinode_py.client import Client, ClientError
from tinode_py.push.base import Follow, Push, Recipient
from tinode_py.queries import DeviceById, DevicesOf
from tinode_py.testing import RunningServer


@attrs.define
class Scene:
    server: RunningServer
    pusher: FakePusher

    async def user(self, name: str, dev: str = "", **more: str) -> Client:
        found = await self.server.user(name, hi={"dev": dev, **more} if dev else more)
        await settle()
        return found

    async def pushes(self) -> list[Push]:
        await settle()
        return self.pusher.pushes()

    async def one(self) -> Push:
        (found,) = await self.pushes()
        return found

    async def follows(self) -> list[Follow]:
        await settle()
        return self.pusher.follows()


@pytest.fixture
async def scene(autojump_clock: object) -> AsyncIterator[Scene]:
    pusher = FakePusher()
    async with pushing_server(pusher) as server:
        yield Scene(server, pusher)


def to(push: Push) -> dict[str, Recipient]:
    return {recipient.user: recipient for recipient in push.to}


async def group(owner: Client, *members: Client) -> str:
    name: str = (await owner.sub("new1")).topic
    for member in members:
        await member.sub(name)
        await member.leave(name)
    return name


async def test_a_message_in_a_conversation_of_two(scene):
    ann, bob = await scene.user("ann", "annphone"), await scene.user("bob", "bobphone")
    await ann.sub(bob.user)
    await scene.pushes()
    await ann.pub(bob.user, "hello", head={"mime": "text/plain"})
    push = await scene.one()
    ts = push.payload["ts"]
    assert push.payload == {
        "what": "msg",
        "ts": ts,
        "xfrom": ann.user,
        "seq": "1",
        "mime": "text/plain",
        "content": "hello",
        "rc": '{"txt":"hello"}',
    }
    hers, his = to(push)[ann.user], to(push)[bob.user]
    assert push.payload_for(his) == {**push.payload, "topic": ann.user, "silent": "false"}
    assert (hers.topic, hers.silent, hers.unread) == (bob.user, True, 0)
    assert (his.topic, his.silent, his.unread) == (ann.user, False, 1)
    assert [device.id for device in his.devices] == ["bobphone"]
    assert push.channel == ""


async def test_who_is_here_is_told_silently(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob")
    await ann.sub(bob.user)
    await bob.sub(ann.user)
    await scene.pushes()
    await ann.pub(bob.user, "hello")
    assert to(await scene.one())[bob.user].silent
    await bob.leave(ann.user)
    await ann.pub(bob.user, "hello")
    assert not to(await scene.one())[bob.user].silent


async def test_who_has_muted_or_may_not_read_is_not_told(scene):
    ann, bob, cat = [await scene.user(name) for name in ("ann", "bob", "cat")]
    name = await group(ann, bob, cat)
    await bob.sub(name)
    await bob.set(name, sub={"mode": "JRW"})
    await bob.leave(name)
    await ann.set(name, sub={"user": cat.user, "mode": "JWP"})
    await scene.pushes()
    await ann.pub(name, "hello")
    assert list(to(await scene.one())) == [ann.user]


async def test_unread_messages_of_all_topics(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob")
    name = await group(ann, bob)
    await ann.sub(bob.user)
    for n in range(3):
        await ann.pub(bob.user, n)
    await ann.pub(name, "x")
    assert to((await scene.pushes())[-1])[bob.user].unread == 4
    await bob.sub(ann.user)
    await bob.note(ann.user, "read", 2)
    push = await scene.one()
    assert push.payload == {"what": "read", "seq": "2", "ts": push.payload["ts"]}
    assert push.to == (Recipient(bob.user, ann.user, True, 2),)


async def test_edits_and_calls_that_go_on_are_silent(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob")
    await ann.sub(bob.user)
    await ann.pub(bob.user, "first")
    await scene.pushes()
    await ann.pub(bob.user, "better", head={"replace": ":1"})
    push = await scene.one()
    assert push.payload["replace"] == ":1"
    assert to(push)[bob.user].silent


async def test_a_call_rings(autojump_clock):
    pusher = FakePusher()
    ice = [{"urls": ["stun:x"]}]
    async with pushing_server(pusher, calls={"ice_servers": ice}) as server:
        scene = Scene(server, pusher)
        ann, bob = await scene.user("ann"), await scene.user("bob")
        await ann.sub(bob.user)
        await scene.pushes()
        head = {"webrtc": "started", "mime": "text/x-drafty", "aonly": True}
        video = {"txt": " ", "fmt": [{"len": 1}], "ent": [{"tp": "VC"}]}
        await ann.pub(bob.user, video, head=head)
        push = await scene.one()
        assert not to(push)[bob.user].silent
        assert push.payload["content"] == "[CALL]"
        assert (push.payload["webrtc"], push.payload["aonly"]) == ("started", "true")
        await ann.note(bob.user, "call", 1, event="hang-up")
        push = await scene.one()
        assert push.payload["webrtc"] == "missed"
        assert to(push)[bob.user].silent


async def test_what_cannot_be_shown_is_told_without_content(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob")
    await ann.sub(bob.user)
    await scene.pushes()
    await ann.pub(bob.user, {"any": ["thing"]}, head={"mime": "application/json"})
    payload = (await scene.one()).payload
    assert set(payload) == {"what", "ts", "xfrom", "seq", "mime"}


async def test_publications_that_are_not_kept_are_not_told(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob")
    await ann.sub(bob.user)
    await scene.pushes()
    await ann.request({"pub": {"topic": bob.user, "content": 1, "head": {"ephemeral": True}}})
    assert await scene.pushes() == []


async def test_an_invitation_and_a_removal(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob")
    name = await group(ann)
    await ann.set(name, sub={"user": bob.user, "mode": "JRWP"})
    push = await scene.one()
    assert push.payload == {
        "what": "sub",
        "xfrom": ann.user,
        "modeWant": "JRWP",
        "modeGiven": "JRWP",
        "ts": push.payload["ts"],
    }
    assert push.to == (Recipient(bob.user, name, False),)
    await ann.set(name, sub={"user": bob.user, "mode": "JRP"})
    assert (await scene.one()).to[0].silent
    await ann.del_("sub", topic=name, user=bob.user)
    push = await scene.one()
    assert (push.payload["modeWant"], push.payload["modeGiven"]) == ("N", "N")


async def test_an_invitation_is_silent_for_who_is_on_me(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob")
    await bob.sub("me")
    await ann.sub(bob.user)
    push = await scene.one()
    assert push.payload["what"] == "sub"
    assert push.to == (Recipient(bob.user, ann.user, True),)


async def test_own_changes_are_nobodys_news(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob")
    name = await group(ann, bob)
    await bob.sub(name)
    await bob.set(name, sub={"mode": "JRP"})
    await bob.leave(name, unsub=True)
    assert await scene.pushes() == []


async def channel_of(owner: Client) -> tuple[str, str]:
    name: str = (await owner.sub("nch1")).topic
    return name, ids.channel_of(name)


async def test_a_channel_is_told_once_without_an_author(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob", "bobphone")
    name, channel = await channel_of(ann)
    await bob.sub(channel)
    assert await scene.follows() == [Follow(channel, ("bobphone",), True)]
    await ann.pub(name, "hello")
    push = await scene.one()
    assert list(to(push)) == [ann.user]
    assert (push.channel, push.silent) == (channel, False)
    payload = push.payload_for_channel()
    assert (payload["topic"], payload["silent"]) == (channel, "false")
    assert "xfrom" not in payload


async def test_devices_follow_channels(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob", "bobphone")
    _, channel = await channel_of(ann)
    await bob.sub(channel)
    await scene.follows()
    await bob.set(channel, sub={"mode": "JR"})
    assert await scene.follows() == [Follow(channel, ("bobphone",), False)]
    await bob.set(channel, sub={"mode": "JRP"})
    assert await scene.follows() == [Follow(channel, ("bobphone",), True)]
    await bob.leave(channel)
    await bob.set(channel, sub={"mode": "JR"})
    assert await scene.follows() == [Follow(channel, ("bobphone",), False)]
    await bob.set(channel, sub={"mode": "JRP"})
    await scene.follows()
    await scene.user("bob", "tablet")
    assert await scene.follows() == [Follow(channel, ("tablet",), True)]
    await scene.user("ann", "tablet")
    assert await scene.follows() == [Follow(channel, ("tablet",), False)]
    await bob.hi(dev="␡")
    assert await scene.follows() == [Follow(channel, ("bobphone",), False)]


async def test_devices_of_a_deleted_account_follow_nothing(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob", "bobphone")
    _, channel = await channel_of(ann)
    await bob.sub(channel)
    await bob.sub("me")
    await bob.leave(channel)
    await scene.follows()
    await bob.del_("user", hard=True)
    assert await scene.follows() == [Follow(channel, ("bobphone",), False)]
    assert await scene.server.server.store.fetch(DeviceById("bobphone")) is None


async def test_leaving_a_channel(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob", "bobphone")
    _, channel = await channel_of(ann)
    await bob.sub(channel)
    await scene.follows()
    await bob.leave(channel, unsub=True)
    assert await scene.follows() == [Follow(channel, ("bobphone",), False)]


# --- devices -----------------------------------------------------------------------------


async def devices(scene: Scene, *users: Client) -> dict[str, list[str]]:
    names = {client.user: client.user for client in users}
    found = await scene.server.server.store.fetch(DevicesOf(tuple(names)))
    return {user: sorted(device.id for device in owned) for user, owned in found.items()}


async def test_a_device_is_kept_at_login(scene):
    ann = await scene.user("ann", "phone", lang="de", platf="ios")
    device = await scene.server.server.store.fetch(DeviceById("phone"))
    assert (device.user, device.platform, device.language) == (ann.user, "ios", "de")


async def test_a_device_passes_to_who_logs_in_on_it(scene):
    ann, bob = await scene.user("ann", "phone"), await scene.user("bob", "phone")
    assert await devices(scene, ann, bob) == {bob.user: ["phone"]}


async def test_a_later_hi_changes_the_device(scene):
    ann = await scene.user("ann")
    assert (await ann.hi(dev="one")).code == 200
    assert await devices(scene, ann) == {ann.user: ["one"]}
    assert (await ann.hi(dev="one")).code == 201
    assert (await ann.hi(dev="two")).code == 200
    assert await devices(scene, ann) == {ann.user: ["two"]}
    assert (await ann.hi(dev="␡")).code == 200
    assert await devices(scene, ann) == {}
    assert (await ann.hi(dev="␡")).code == 200


async def test_a_device_that_somebody_else_has_got_is_not_taken_from_him(scene):
    ann = await scene.user("ann", "phone")
    bob = await scene.user("bob", "phone")
    await ann.hi(dev="␡")
    assert await devices(scene, ann, bob) == {bob.user: ["phone"]}


async def test_before_login_nothing_is_kept(scene):
    async with scene.server.connect() as client:
        await client.hi(dev="phone")
        with pytest.raises(ClientError, match="401"):
            await client.hi(dev="phone")
    assert await scene.server.server.store.fetch(DeviceById("phone")) is None


async def test_logging_in_again_writes_no_device(scene):
    ann = await scene.user("ann", "phone")
    again = await scene.server.open()
    await again.hi(ua="ann", dev="phone")
    before = scene.server.server.store.statistics().batches
    await again.login_token(ann.token)
    assert scene.server.server.store.statistics().batches == before


async def test_a_device_that_is_no_more_is_forgotten(scene):
    ann, bob = await scene.user("ann"), await scene.user("bob", "phone")
    scene.pusher.gone.append("phone")
    await ann.sub(bob.user)
    await settle()
    assert await devices(scene, bob) == {}


# --- what it costs -----------------------------------------------------------------------


async def test_only_devices_are_looked_up_where_nothing_else_is_of_use(autojump_clock):
    pusher = FakePusher(devices_only=True)
    async with pushing_server(pusher) as server:
        scene = Scene(server, pusher)
        ann, bob = await scene.user("ann"), await scene.user("bob", "phone")
        cat = await scene.user("cat")
        name = await group(ann, bob, cat)
        await scene.pushes()
        await ann.pub(name, "x")
        assert list(to(await scene.one())) == [bob.user]
        await ann.sub(cat.user)
        await ann.pub(cat.user, "x")
        assert await scene.pushes() == []


async def test_without_a_pusher_nothing_is_made(tinode_server):
    assert tinode_server.server.hub.pushing is None
    ann = await tinode_server.user("ann", hi={"dev": "phone"})
    bob = await tinode_server.user("bob")
    await ann.sub(bob.user)
    await ann.pub(bob.user, "x")
    assert await tinode_server.server.store.fetch(DeviceById("phone")) is not None
