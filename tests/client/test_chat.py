"""A user who stays connected, against a server in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from tinode_py.client import (
    Client,
    ClientError,
    Connected,
    Detached,
    FilePositions,
    MemoryPositions,
    Message,
    Note,
    Password,
    Presence,
    Visitor,
    connect,
    stay_connected_by,
)
from tinode_py.testing import RunningServer, running_server


async def take(chat, count: int) -> list[Message]:
    """The next so many messages."""
    messages = chat.messages()
    with trio.fail_after(60):
        return [await anext(messages) for _ in range(count)]


async def test_two_people_talk(tinode_server: RunningServer, autojump_clock):
    async with tinode_server.chat("alice") as alice, tinode_server.chat("bob") as bob:
        messages = bob.messages()
        await trio.sleep(1)
        assert await alice.publish(bob.user, "hello") == 1
        hello = await anext(messages)
        assert (hello.topic, hello.sender, hello.text) == (alice.user, alice.user, "hello")
        assert (hello.seq, hello.n) == (1, 1)
        await bob.publish(alice.user, {"txt": "hello, too"})
        assert [it.text for it in await take(alice, 1)] == ["hello, too"]


async def test_what_was_missed_comes_in_order(tinode_server: RunningServer, autojump_clock):
    """Private messages by the inbox, a group's by its numbers."""
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1", set={"desc": {"public": {"fn": "Friends"}}})).topic
    positions = MemoryPositions()
    async with tinode_server.chat("bob", positions=positions) as bob:
        await alice.sub(bob.user)
        await bob.follow(group)
        await alice.pub(group, 0)
        await alice.pub(bob.user, 0)
        assert sorted(it.content for it in await take(bob, 2)) == [0, 0]
    for n in range(1, 251):
        await alice.pub(group, n)
        await alice.pub(bob.user, n)
    async with tinode_server.chat("bob", positions=positions, follow=(group,)) as bob:
        missed = await take(bob, 500)
        await alice.pub(group, 251)
        (last,) = await take(bob, 1)
    for topic in (group, alice.user):
        assert [it.content for it in missed if it.topic == topic] == list(range(1, 251))
    assert last.content == 251


async def test_own_messages_are_left_out_unless_asked_for(
    tinode_server: RunningServer, autojump_clock
):
    bob = await tinode_server.user("bob")
    async with tinode_server.chat("alice") as alice:
        every = alice.messages(own=True)
        await trio.sleep(1)
        await alice.publish(bob.user, "mine")
        await bob.sub(alice.user)
        await bob.pub(alice.user, "yours")
        assert [(await anext(every)).text for _ in range(2)] == ["mine", "yours"]


async def test_what_was_being_done_when_it_failed_comes_again(
    tinode_server: RunningServer, autojump_clock
):
    alice = await tinode_server.user("alice")
    positions = MemoryPositions()
    async with tinode_server.chat("bob", positions=positions) as bob:
        messages = bob.messages()
        await trio.sleep(1)
        await alice.sub(bob.user)
    for n in range(3):
        await alice.pub(bob.user, n)

    async def fail_in_the_middle() -> None:
        async with tinode_server.chat("bob", positions=positions) as bob:
            async for message in bob.messages():
                if message.content == 1:
                    raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_in_the_middle()
    async with tinode_server.chat("bob", positions=positions) as bob:
        assert [it.content for it in await take(bob, 2)] == [1, 2]
    async with tinode_server.chat("bob", positions=positions) as bob:
        messages = bob.messages()
        with trio.move_on_after(60) as waiting:
            await anext(messages)
        assert waiting.cancelled_caught, "what was done with came again"


async def test_a_handler_runs_beside_and_its_errors_stay_with_it(
    tinode_server: RunningServer, autojump_clock, caplog
):
    alice = await tinode_server.user("alice")
    async with tinode_server.chat("bob") as bob:
        handled = []

        async def handle(message: Message) -> None:
            await trio.sleep(1)
            handled.append(message.content)
            if message.content == 0:
                raise ZeroDivisionError

        registration = bob.on_message(handle)
        messages = bob.messages()
        await trio.sleep(1)
        await alice.sub(bob.user)
        for n in range(4):
            await alice.pub(bob.user, n)
        assert [(await anext(messages)).content for _ in range(4)] == [0, 1, 2, 3]
        await trio.sleep(2.5)
        registration.cancel()
        await trio.sleep(10)
        assert handled == [0, 1]
    assert "a handler failed on a message" in caplog.text


async def test_a_slow_reader_holds_nothing_in_memory_and_misses_nothing(
    tinode_server: RunningServer, autojump_clock
):
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1")).topic
    async with tinode_server.chat("bob") as bob:
        await bob.follow(group)
        messages = bob.messages()
        for n in range(1500):
            await alice.pub(group, n, noecho=True)
        assert len(bob._iterators[False]._waiting) <= 256
        assert [(await anext(messages)).content for _ in range(1500)] == list(range(1500))


async def test_notices_are_given_to_who_wants_them(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1")).topic
    async with tinode_server.chat("bob") as bob:
        seen = []

        async def note(notice):
            seen.append((notice.kind, notice.topic))

        bob.on_notice(note)
        await alice.sub(bob.user)
        await alice.pub(bob.user, "not lost, though nobody takes messages yet")
        await alice.set(group, sub={"user": bob.user})
        await trio.sleep(1)
        assert seen == []
        assert (await anext(bob.messages())).text.startswith("not lost")
        await trio.sleep(1)
        assert seen == [("invite", group)]


async def test_questions(tinode_server: RunningServer, autojump_clock):
    async with tinode_server.chat("alice") as alice, tinode_server.chat("bob") as bob:
        client = await alice.session()
        group = (await client.sub("new1", set={"desc": {"public": {"fn": "Friends"}}})).topic
        await bob.follow(group)
        await alice.publish(bob.user, "hello")
        await bob.follow(alice.user)
        for n in range(5):
            await alice.publish(group, n)
        contacts = {it.name: it for it in await bob.contacts()}
        assert contacts.keys() == {"alice", "Friends"}
        assert contacts["alice"].unread == 1
        assert await bob.online() == [alice.user]
        assert {it.name for it in await bob.members(group)} == {"alice", "bob"}
        assert set(await bob.online(group)) == {alice.user, bob.user}
        assert [it.content for it in await bob.history(group, limit=2)] == [3, 4]
        assert [it.content for it in await bob.history(group, since=2, before=4)] == [1, 2]
        assert await bob.history(group, before=1) == []


async def test_typing_and_reading(tinode_server: RunningServer, autojump_clock):
    async with tinode_server.chat("alice") as alice, tinode_server.chat("bob") as bob:
        await alice.follow(bob.user)
        await bob.follow(alice.user)
        await alice.publish(bob.user, "old")
        messages = bob.messages()
        await trio.sleep(1)
        await alice.publish(bob.user, "x")
        await bob.mark_read(await anext(messages))
        await bob.typing(alice.user)
        events = alice.events()
        found = []
        with trio.move_on_after(5):
            async for event in events:
                found.append(event)
    notes = [(it.what, it.sender, it.topic) for it in found if isinstance(it, Note)]
    assert ("read", bob.user, bob.user) in notes
    assert ("kp", bob.user, bob.user) in notes
    assert isinstance(found[0], Connected)
    assert any(isinstance(it, Presence) and it.what == "on" for it in found)


async def test_who_is_thrown_out_of_a_topic_is_told(tinode_server: RunningServer, autojump_clock):
    alice = await tinode_server.user("alice")
    group = (await alice.sub("new1")).topic
    async with tinode_server.chat("bob") as bob:
        await bob.follow(group)
        await alice.del_("sub", topic=group, user=bob.user)
        events = bob.events()
        with trio.fail_after(30):
            while not isinstance(event := await anext(events), Detached):
                pass
        assert event == Detached(group, 205, "evicted")
        with pytest.raises(ClientError) as refused:
            await bob.follow("grpAAAAAAAAAAE")
        assert refused.value.code == 404


async def test_a_wrong_password_is_told_at_once(tinode_server: RunningServer, autojump_clock):
    await tinode_server.user("alice")
    with pytest.raises(ClientError) as refused:
        async with stay_connected_by(tinode_server.connect, Password("alice", "wrong")):
            pass
    assert (refused.value.code, refused.value.text) == (401, "authentication failed")


async def test_a_deleted_account_ends_the_block(tinode_server: RunningServer, autojump_clock):
    other = await tinode_server.user("bob")

    async def chat() -> None:
        async with tinode_server.chat("bob"):
            await other.del_("user")
            await trio.sleep_forever()

    with pytest.raises(ClientError) as ended:
        await chat()
    assert (ended.value.code, ended.value.text) == (205, "evicted")


async def test_nobody_there(autojump_clock):
    dialled = []

    @asynccontextmanager
    async def nothing() -> AsyncIterator[Client]:
        dialled.append(trio.current_time())
        async with connect("unix:/nobody/is/here") as client:
            yield client

    with pytest.raises(ClientError) as failed:
        async with stay_connected_by(nothing, Password("a", "b"), patience=100, chance=lambda: 0.5):
            pass
    assert failed.value.text.startswith("no connection: ")
    waits = [after - before for before, after in pairwise(dialled)]
    assert waits == pytest.approx([0.375, 0.75, 1.5, 3.0, 6.0, 12.0, 24.0, 45.0])


async def test_a_visitor(autojump_clock):
    async with (
        running_server(auth={"anonymous": True}) as server,
        stay_connected_by(server.connect, Visitor()) as visitor,
    ):
        assert visitor.user.startswith("usr")


async def test_positions_in_a_file(tmp_path: Path, tinode_server: RunningServer):
    alice = await tinode_server.user("alice")
    file = FilePositions(tmp_path / "bob.json")
    async with tinode_server.chat("bob", positions=file) as bob:
        await alice.sub(bob.user)
    await alice.pub(bob.user, "while away")
    async with tinode_server.chat("bob", positions=file) as bob:
        assert [it.content for it in await take(bob, 1)] == ["while away"]
    assert await file.load(bob.user) == {"inbox": 1, alice.user: 1}
    (tmp_path / "bob.json").write_text("{}}", "utf-8")
    with pytest.raises(ValueError, match=r"bob\.json holds no positions"):
        async with tinode_server.chat("bob", positions=file):
            pass


async def test_a_repeated_publication_is_stored_once(tinode_server: RunningServer, autojump_clock):
    async with tinode_server.chat("alice") as alice:
        await alice.follow("slf")
        assert await alice.publish("slf", "x", idem="k") == 1
        assert await alice.publish("slf", "x", idem="k") == 1
        assert await alice.publish("slf", "y") == 2
