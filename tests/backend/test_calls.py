"""Every call, made of a real server by either client."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import assert_type

import pytest
import trio

from tests.backend.twins import KINDS, Twin, twin
from tests.web.v1.conftest import key_for
from tinode_py.backend import (
    Backend,
    BadRequest,
    BlockingBackend,
    Conflict,
    Forbidden,
    NotFound,
    Send,
    Unauthorized,
    calls,
)
from tinode_py.backend.calls.methods import Methods
from tinode_py.testing import RunningServer, running_server

FEW = 5  # calls that may be newer than this test
ALL = {name for name in vars(Methods) if not name.startswith("_")}


@pytest.mark.parametrize("kind", KINDS)
async def test_every_call(kind: str):
    asked: set[str] = set()
    async with running_server(webhooks={"networks": ["127.0.0.0/8"]}) as server:
        key = await key_for(server)
        async with twin(kind, server.url, key) as api:
            for part in (users, topics, messages, rooms, later, hooks, rest):
                await part(api, server)
            asked |= api.asked
        alice = await server.user("alice")
        bob = await server.user("bob")
        async with twin(kind, server.url, alice.token) as own:
            await as_oneself(own, bob.user)
            asked |= own.asked
    assert asked <= ALL
    assert len(ALL - asked) <= FEW, ALL - asked


async def users(api: Twin, server: RunningServer) -> None:
    made = await api("create_user", external_id="a 1", name="Ann", tags=["red"])
    assert (made.external_id, made.public, made.tags) == ("a 1", {"fn": "Ann"}, ("red",))
    assert isinstance(made.created, datetime)
    with pytest.raises(Conflict):
        await api("create_user", external_id="a 1")
    await api("create_user", external_id="b", name="Bob", tags=["blue"])
    await api("create_user", external_id="c", name="Eve", tags=["red"])
    assert (await api("read_user", "ext:a 1")).id == made.id
    changed = await api("change_user", "ext:a 1", public={"note": "new"})
    assert changed.public == {"fn": "Ann", "note": "new"}
    page = await api("list_users", limit=2)
    assert len(page.items) == 2
    names = [row.id for row in await api.all("all_users", limit=2)]
    assert len(set(names)) == len(names) == 3
    found = await api("search_users", "red")
    assert made.id in [row.user for row in found.items]
    phone = await server.user("phone")
    online = await api("read_online", phone.user)
    assert (online.online, len(online.devices)) == (True, 1)
    several = await api("query_online", [phone.user, "ext:b"])
    assert [row.online for row in several.items] == [True, False]
    assert phone.user in [row.user for row in (await api("list_online")).items]
    assert phone.user in [row.user for row in await api.all("all_online", limit=1)]
    (login,) = (await api("list_logins", phone.user)).items
    assert login.live
    assert (await api("force_offline", phone.user, reason="go")).sessions == 1
    assert await api("end_login", phone.user, login.number) is None
    assert await api("delete_user", "ext:c", hard=True) is None
    with pytest.raises(NotFound, match="404 there is no user"):
        await api("read_user", "ext:c")


async def topics(api: Twin, server: RunningServer) -> None:
    group = await api("create_topic", "ext:a 1", name="Group", members=["ext:b"])
    assert (group.kind, group.members, group.public) == ("group", 2, {"fn": "Group"})
    assert (await api("read_topic", group.name)).owner == group.owner
    assert (await api("change_topic", group.name, tags=["room"])).tags == ("room",)
    phone = await server.user("phone")
    member = await api("put_member", group.name, phone.user, mode="JRW")
    assert member.given == "JRW"
    assert await api("remove_member", group.name, phone.user) is None
    assert (await api("list_members", group.name)).total == 2
    assert len(await api.all("all_members", group.name, limit=1)) == 2
    assert (await api("list_topics")).items[0].name == group.name
    assert [row.name for row in await api.all("all_topics", limit=1)] == [group.name]
    assert (await api("list_topics_of_user", "ext:b")).items[0].topic == group.name
    assert len(await api.all("all_topics_of_user", "ext:b")) == 1
    assert await api("delete_topic", group.name) is None


async def messages(api: Twin, server: RunningServer) -> None:
    group = (await api("create_topic", "ext:a 1", members=["ext:b"])).name
    sent = await api("send_message", "one", from_="ext:a 1", user="ext:b", receipt="answer")
    assert sent.results[0].receipts == (calls.Receiver("ext:b", "stored"),)
    many = await api("send_message", "two", users=["ext:a 1", "ext:b", "ext:nobody"])
    assert [it.status for it in many.results] == [202, 202, 404]
    for _ in range(2):
        again = await api("send_message", {"txt": "3"}, from_="ext:b", topic=group, idem="k")
        assert (again.results[0].seq, again.results[0].topic) == (1, group)
    batch = [Send("a", from_="ext:b", topic=group), Send("b", from_="ext:nobody", topic=group)]
    both = await api("send_messages", batch)
    assert [it.results[0].status for it in both.messages] == [202, 404]
    kept = await api("broadcast", "to red", tag="red", kept=True)
    assert kept.users == 1
    heard = await server.user("heard")
    assert (await api("broadcast", "to all")).sessions >= 1
    assert "to all" in str(await heard.receive())
    assert (await api("edit_message", group, 1, "three")).seq == 3
    one = await api("read_message", group, 1)
    assert (one.content, [it.content for it in one.revisions]) == ("three", [{"txt": "3"}, "three"])
    assert one.from_.startswith("usr")
    history = await api("read_history", group)
    assert [it.content for it in history.messages] == ["a", "three"]
    assert [it.seq for it in await api.all("all_history", group, limit=1)] == [2, 1]
    assert (await api("delete_message", group, 2)).number == 1
    assert [it.seq for it in await api.all("all_history", group)] == [1]


async def rooms(api: Twin, server: RunningServer) -> None:
    guest = await server.user("guest")
    joined = await api("bring_into_room", "tmplobby", guest.user)
    assert (joined.room, joined.online) == ("tmplobby", 1)
    assert (await api("read_room", "tmplobby")).online == 1
    assert (await api("list_room_members", "tmplobby")).items == (guest.user,)
    assert await api.all("all_room_members", "tmplobby", limit=1) == [guest.user]
    assert [row.room for row in (await api("list_rooms")).items] == ["tmplobby"]
    assert len(await api.all("all_rooms", limit=1)) == 1
    assert (await api("list_rooms_of_user", guest.user)).items[0].online == 1
    assert len(await api.all("all_rooms_of_user", guest.user)) == 1
    assert isinstance((await api("send_to_room", "tmplobby", "hello")).ts, datetime)
    assert await api("put_out_of_room", "tmplobby", guest.user) is None
    await api("bring_into_room", "tmplobby", guest.user)
    assert await api("end_room", "tmplobby") is None
    assert (await api("read_room", "tmplobby")).online == 0


async def later(api: Twin, server: RunningServer) -> None:
    at = (await api("read_server")).time + timedelta(hours=1)
    sent = await api("send_message", "later", user="ext:b", at=at)
    assert sent.results == ()
    (row,) = (await api("list_scheduled")).items
    assert (row.id, row.at, row.message["content"]) == (sent.scheduled, at, "later")
    assert len(await api.all("all_scheduled", limit=1)) == 1
    assert await api("cancel_scheduled", row.id) is None
    with pytest.raises(NotFound):
        await api("cancel_scheduled", row.id)
    with pytest.raises(ValueError, match="time zone"):
        await api("send_message", "later", user="ext:b", at=datetime(2030, 1, 1))


async def hooks(api: Twin, server: RunningServer) -> None:
    hook = await api("create_webhook", "http://127.0.0.1:1/", kinds=["user.online"])
    assert (hook.secret != "", hook.kinds) == (True, ("user.online",))
    assert not (await api("change_webhook", str(hook.id), active=False)).active
    assert (await api("read_webhook", str(hook.id))).secret == ""
    assert (await api("rotate_webhook", str(hook.id), secret="mine")).secret == "mine"
    assert not (await api("test_webhook", str(hook.id))).taken  # nobody listens there
    assert [row.id for row in (await api("list_webhooks")).items] == [hook.id]
    assert len(await api.all("all_webhooks")) == 1
    assert (await api("list_dead_letters", str(hook.id))).items == ()
    assert await api.all("all_dead_letters", str(hook.id)) == []
    assert (await api("replay", str(hook.id))).events == 0
    assert await api("delete_webhook", str(hook.id)) is None


async def rest(api: Twin, server: RunningServer) -> None:
    ticket = await api("create_ticket", external_id="d", metadata={"tab": 1}, attach=True)
    assert ticket.url.startswith("ws://")
    state = await api("read_server")
    assert state.limits.page == 100
    narrow = await api("create_key", "narrow", ["users:read"])
    assert narrow.key.startswith("tnk_")
    assert narrow.id in [row.id for row in (await api("list_keys")).items]
    assert len(await api.all("all_keys", limit=1)) == 2
    kind = "blocking" if api.blocks else "trio"
    narrow = await api("rotate_key", narrow.id)
    async with twin(kind, server.url, narrow.key) as other:
        with pytest.raises(Forbidden, match="scope"):
            await other("create_user", name="X")
        assert await api("revoke_key", narrow.id) is None
        with pytest.raises(Unauthorized):
            await other("read_user", "ext:b")
    deeds = await api.all("all_audit", limit=1)
    assert deeds[0].action == (await api("read_audit")).items[0].action
    with pytest.raises(BadRequest) as wrong:
        await api("list_users", limit=1000)
    assert wrong.value.errors[0].field == "limit"


async def as_oneself(own: Twin, bob: str) -> None:
    topic = (await own("send_own_message", "hi", user=bob)).results[0].topic
    assert (await own("read_own_history", bob)).messages[0].content == "hi"
    assert [it.seq for it in await own.all("all_own_history", bob)] == [1]
    assert (await own("edit_own_message", bob, 1, "hello")).seq == 2
    assert (await own("delete_own_message", bob, 1)).number == 1
    assert topic.startswith("p2p")
    assert (await own("list_own_topics")).items[0].topic == bob
    assert len(await own.all("all_own_topics")) == 1
    group = bob
    assert (await own("list_members_as_self", group)).total == 2
    assert len(await own.all("all_members_as_self", group, limit=1)) == 2
    assert (await own("list_own_rooms")).items == ()
    assert await own.all("all_own_rooms") == []
    assert (await own("read_own_profile")).public == {"fn": "alice"}
    assert (await own("change_own_profile", private={"n": 1})).private == {"n": 1}
    assert (await own("search_as_self", "blue")).items


async def test_many_calls_at_once():
    async with running_server() as server:
        key = await key_for(server)
        async with Backend(server.url, key) as backend, trio.open_nursery() as nursery:
            made: list[str] = []

            async def make(number: int) -> None:
                made.append((await backend.create_user(external_id=f"n{number}")).id)

            for number in range(30):
                nursery.start_soon(make, number)
        assert len(set(made)) == 30


async def _on_trio(backend: Backend) -> None:
    """For mypy, which reads this: what comes of a call is known."""
    assert_type(await backend.read_user("x"), calls.OneUser)
    assert_type(await backend.cancel_scheduled("x"), None)
    async for user in backend.all_users():
        assert_type(user, calls.OneUser)
    async for message in backend.all_history("grp"):
        assert_type(message, calls.OneMessage)


def _blocking(backend: BlockingBackend) -> None:
    assert_type(backend.send_message("x", user="usr"), calls.Sent)
    for topic in backend.all_topics(limit=3):
        assert_type(topic, calls.OneTopic)
