"""The support desk of docs/examples, with a visitor and two agents, killed in the middle."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.docs.pages import DOCS
from tests.process import PATIENCE, environment, serving
from tinode_py.client import Chat, Message, Notice, Register, Visitor, stay_connected

DESK = DOCS / "examples" / "support_desk" / "desk.py"


@asynccontextmanager
async def desk(folder: Path, *args: str) -> AsyncIterator[str]:
    """The program; gives the queue's name."""
    process = await trio.lowlevel.open_process(
        [sys.executable, str(DESK), *args], cwd=folder, env=environment(), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        with trio.fail_after(PATIENCE):
            queue = bytes(await process.stdout.receive_some()).decode().strip()
        yield queue
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def agent(url: str, name: str) -> AsyncIterator[Chat]:
    """Somebody whose client follows the groups that he is invited to."""
    async with stay_connected(url, Register(name, f"{name}'s password")) as chat:

        async def follow(notice: Notice) -> None:
            if notice.kind == "invite":
                await chat.follow(notice.topic, since=1)

        chat.on_notice(follow)
        yield chat


@pytest.mark.slow
async def test_a_visitor_is_helped_and_handed_over(tmp_path: Path):
    async with (
        serving(tmp_path / "data", "--set", "auth.anonymous=true") as server,
        agent(server.url, "alice") as alice,
        agent(server.url, "bobby") as bobby,
    ):
        args = (server.url, "desk's password", alice.user, bobby.user)
        async with stay_connected(server.url, Visitor()) as visitor:
            async with desk(tmp_path, *args) as queue:
                case = await first_half(alice, bobby, visitor, queue)
            async with desk(tmp_path, *args):  # it was killed, and knows its cases again
                await second_half(alice, bobby, visitor, case)


async def first_half(alice: Chat, bobby: Chat, visitor: Chat, queue: str) -> str:
    """Until alice has answered; the name of the case's group."""
    support = next(it.user for it in await alice.members(queue) if it.name == "Support")
    await visitor.publish(support, "My tea is cold")
    await said(visitor, "Somebody will be with you soon.")
    for one in (alice, bobby):
        await said(one, "case 1: My tea is cold")
    await alice.publish(queue, "take 1")
    await said(bobby, "take 1")
    await said(bobby, "case 1 is taken")
    heard = {message.text: message for message in [await next_of(alice) for _ in range(2)]}
    assert heard.keys() == {"Visitor: My tea is cold", "case 1 is taken"}
    case = heard["Visitor: My tea is cold"].topic
    await alice.publish(case, "Did you warm the pot?")
    await said(visitor, "Did you warm the pot?")
    return case


async def second_half(alice: Chat, bobby: Chat, visitor: Chat, case: str) -> None:
    """Handed over, bobby sees what was said, and alice is out."""
    await alice.publish(case, f"hand {bobby.user}")
    await said(bobby, "Visitor: My tea is cold")
    await said(bobby, "Did you warm the pot?")
    await said(bobby, f"hand {bobby.user}")
    await bobby.publish(case, "Try the microwave.")
    await said(visitor, "Try the microwave.")
    await bobby.publish(case, "close")
    await said(visitor, "The case is closed. Goodbye!")
    assert alice.user not in {it.user for it in await bobby.members(case)}


async def next_of(chat: Chat) -> Message:
    with trio.fail_after(PATIENCE):
        return await anext(chat.messages())


async def said(chat: Chat, text: str) -> None:
    """The next message is this one."""
    assert (await next_of(chat)).text == text
