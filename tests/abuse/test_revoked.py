"""What a user may no longer see is withheld from his live sessions with the very next frame."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.abuse.people import Client, Packet, world

AFTER = "not for him"


def told(packets: list[Packet]) -> bool:
    """Whether a message, its number or a typing note came through."""
    text = json.dumps(packets)
    words = ("msg", "read", "recv", "kp", "del")
    notes = [p for p in packets if p.get("pres", p.get("info", {})).get("what") in words]
    return AFTER in text or bool(notes) or any("data" in p for p in packets)


async def speak(alice: Client, topic: str) -> None:
    """Everything of which others hear: a message, a note, a receipt, a deletion."""
    assert await alice.code(pub={"topic": topic, "content": AFTER}) == 202
    await alice.send({"note": {"topic": topic, "what": "kp"}})
    await alice.code(
        **{"del": {"topic": topic, "what": "msg", "delseq": [{"low": 1}], "hard": True}}
    )
    assert await alice.code(pub={"topic": topic, "content": AFTER}) == 202


GROUP: dict[str, list[Packet]] = {
    "banned": [{"set": {"topic": "T", "sub": {"user": "BOB", "mode": "N"}}}],
    "not to read": [{"set": {"topic": "T", "sub": {"user": "BOB", "mode": "JWP"}}}],
    "removed": [{"del": {"topic": "T", "what": "sub", "user": "BOB"}}],
    "banned and let in without R": [
        {"set": {"topic": "T", "sub": {"user": "BOB", "mode": "N"}}},
        {"set": {"topic": "T", "sub": {"user": "BOB", "mode": "JW"}}},
    ],
}


@pytest.mark.parametrize("attached", [True, False], ids=["in the group", "on me"])
@pytest.mark.parametrize("requests", GROUP.values(), ids=GROUP.keys())
async def test_in_a_group(requests, attached, autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        phone = await it.again("bobby", binary=True)
        group = await it.group(alice, bob, phone)
        for client in (bob, phone):
            assert await client.code(sub={"topic": "me"}) == 200
            if not attached:
                assert await client.code(leave={"topic": group}) == 200
        await bob.quiet()
        await speak(alice, group)
        assert told(await bob.quiet())
        assert told(await phone.quiet())
        for request in requests:
            text = json.dumps(request).replace("BOB", bob.user).replace('"T"', json.dumps(group))
            assert await alice.code(**json.loads(text)) == 200
        await bob.quiet()
        await phone.quiet()
        await speak(alice, group)
        assert not told(await bob.quiet())
        assert not told(await phone.quiet())
        assert await bob.code(get={"topic": group, "what": "data"}) in (403, 404, 409)


async def test_the_request_behind_the_ban_sees_it(autojump_clock):
    """Both in one write: what is published after the ban is withheld already."""
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        await bob.quiet()
        await alice.send(
            {"pub": {"id": "1", "topic": group, "content": "before"}},
            {"set": {"id": "2", "topic": group, "sub": {"user": bob.user, "mode": "JWP"}}},
            {"pub": {"id": "3", "topic": group, "content": AFTER}},
        )
        assert [(await alice.first())["code"] for _ in range(3)] == [202, 200, 202]
        contents = [p["data"]["content"] for p in await bob.quiet() if "data" in p]
        assert contents == ["before"]


@pytest.mark.parametrize("attached", [True, False], ids=["in the chat", "on me"])
@pytest.mark.parametrize("mode", ["N", "JWP", "JRP"])
async def test_a_blocked_peer(mode, attached, autojump_clock):
    """Alice takes from Bob what he may do in the chat with her."""
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        assert await alice.code(sub={"topic": bob.user}) == 200
        assert await bob.code(sub={"topic": "me"}) == 200
        if attached:
            assert await bob.code(sub={"topic": alice.user}) == 200
        assert (
            await alice.code(set={"topic": bob.user, "sub": {"user": bob.user, "mode": mode}})
            == 200
        )
        await bob.quiet()
        await alice.quiet()
        if "R" not in mode:
            await alice.code(pub={"topic": bob.user, "content": AFTER})
            await alice.send({"note": {"topic": bob.user, "what": "kp"}})
            assert not told(await bob.quiet())
        await alice.quiet()
        await bob.code(sub={"topic": alice.user})
        if "W" not in mode:
            assert await bob.code(pub={"topic": alice.user, "content": AFTER}) in (403, 409)
            await bob.send({"note": {"topic": alice.user, "what": "kp"}})
            assert not told(await alice.quiet())


async def test_sessions_of_a_deleted_account_end(autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        phone = await it.again("bobby")
        group = await it.group(alice, bob, phone)
        token = bob.token
        assert await bob.code(**{"del": {"what": "user", "hard": True}}) == 200
        assert await phone.closed() == 0
        assert phone.seen[-1]["ctrl"]["code"] == 205
        assert await alice.code(pub={"topic": group, "content": AFTER}) == 202
        assert not told(phone.seen)
        guest = await it.guest()
        assert await guest.code(login={"scheme": "token", "secret": token}) in (401, 404)
        stranger = await it.person("bobby")
        assert stranger.user != bob.user
        assert await stranger.code(get={"topic": group, "what": "data"}) in (403, 404)


async def test_a_deleted_group_is_gone_at_once(autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        await bob.quiet()
        await alice.send(
            {"del": {"id": "1", "topic": group, "what": "topic"}},
            {"pub": {"id": "2", "topic": group, "content": AFTER}},
        )
        assert (await alice.answer("1"))["code"] == 200
        assert (await alice.answer("2"))["code"] in (404, 409)
        assert not told(await bob.quiet())
        assert await bob.code(sub={"topic": group}) == 404
        assert await alice.code(sub={"topic": group}) == 404


async def test_a_channel_reader_who_leaves(autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        answer = await alice.ask(sub={"topic": "nch"})
        channel = "chn" + answer["topic"][3:]
        assert await bob.code(sub={"topic": channel}) == 200
        assert await bob.code(sub={"topic": "me"}) == 200
        for left in ({"topic": channel}, {"topic": channel, "unsub": True}):
            assert await bob.code(sub={"topic": channel}) in (200, 304)
            await bob.quiet()
            assert await bob.code(leave=left) == 200
            await speak(alice, answer["topic"])
            assert not told(await bob.quiet())


async def test_a_channel_reader_does_nothing_but_read(autojump_clock):
    async with world() as it:
        alice, bob, carol = [await it.person(name) for name in ("alice", "bobby", "carol")]
        answer = await alice.ask(sub={"topic": "nch"})
        group, channel = answer["topic"], "chn" + answer["topic"][3:]
        for client in (bob, carol):
            assert await client.code(sub={"topic": channel}) == 200
        assert await alice.code(pub={"topic": group, "content": "hello"}) == 202
        for client in (alice, carol):
            await client.quiet()
        tries: list[dict[str, Any]] = [
            {"pub": {"content": AFTER}},
            {"set": {"desc": {"public": AFTER}}},
            {"set": {"sub": {"mode": "JRWPASDO"}}},
            {"set": {"sub": {"user": carol.user, "mode": "N"}}},
            {"set": {"tags": ["x1"]}},
            {"set": {"aux": {"a": 1}}},
            {"del": {"what": "msg", "delseq": [{"low": 1}], "hard": True}},
            {"del": {"what": "sub", "user": carol.user}},
        ]
        for name in (group, channel):
            for request in tries:
                ((kind, body),) = request.items()
                answer = await bob.ask(**{kind: {"topic": name, **body}})
                mode = answer.get("params", {}).get("acs", {}).get("mode", "")
                assert answer["code"] >= 300 or not set(mode) & set("WASDO"), (request, answer)
            await bob.send({"note": {"topic": name, "what": "kp"}})
            await bob.send({"note": {"topic": name, "what": "read", "seq": 1}})
            await bob.send({"get": {"id": "s", "topic": name, "what": "sub data"}})
            came = await bob.quiet()
            assert alice.user not in json.dumps(came)
            assert carol.user not in json.dumps(came)
        for client in (alice, carol):
            assert not told(await client.quiet())
