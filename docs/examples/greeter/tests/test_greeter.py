"""The bot against a whole server in this process: see docs/embedding.md of tinode-py."""

import trio
from greeter import greet


async def test_it_greets(tinode_server, autojump_clock):
    async with (
        tinode_server.chat("bot") as bot,
        tinode_server.chat("ann") as ann,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(greet, bot)
        answers = ann.messages()
        await ann.publish(bot.user, "Ann")
        assert (await anext(answers)).text == "Hello, Ann!"
        nursery.cancel_scope.cancel()


async def test_it_greets_once(tinode_server, autojump_clock):
    async with (
        tinode_server.chat("bot") as bot,
        tinode_server.chat("ann") as ann,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(greet, bot)
        answers = ann.messages()
        for word in ("Ann", "Ann again"):
            await ann.publish(bot.user, word)
        assert (await anext(answers)).text == "Hello, Ann!"
        tinode_server.drop_connections()
        with trio.move_on_after(60) as waiting:
            await anext(answers)
        assert waiting.cancelled_caught
        nursery.cancel_scope.cancel()


async def test_it_waits_for_a_server_that_is_ill(tinode_server, autojump_clock):
    async with (
        tinode_server.chat("bot") as bot,
        tinode_server.chat("ann") as ann,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(greet, bot)
        answers = ann.messages()
        await ann.publish(bot.user, "Ann")
        disk = tinode_server.fail_commits()
        await trio.sleep(30)
        disk.end()
        assert (await anext(answers)).text == "Hello, Ann!"
        nursery.cancel_scope.cancel()


async def test_a_bare_client(tinode_client):
    assert (await tinode_client.sub("slf")).code == 200
