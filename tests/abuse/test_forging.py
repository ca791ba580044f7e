"""Nobody speaks for another: the author of a message, of an edit, of a request."""

from __future__ import annotations

import pytest

from tests.abuse.people import world

FORGED = "usrAAAAAAAAAAA"


@pytest.mark.parametrize(
    "head",
    [
        '{"sender":"usrAAAAAAAAAAA"}',
        '{"\\u0073ender":"usrAAAAAAAAAAA"}',
        '{"s\\u0065nder":"usrAAAAAAAAAAA","sender":"usrAAAAAAAAAAA"}',
        '{"sender":null,"sender":"usrAAAAAAAAAAA"}',
        '{ "sender" : {"x":"usrAAAAAAAAAAA"} }',
    ],
)
@pytest.mark.parametrize("topic", ["group", "p2p"])
async def test_the_sender_in_a_head_is_the_server_s_word(head, topic, autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        if topic == "group":
            named = {alice: await it.group(alice, bob)}
            named[bob] = named[alice]
        else:
            named = {alice: bob.user, bob: alice.user}
            for one in (alice, bob):
                assert await one.code(sub={"topic": named[one]}) == 200
        await bob.quiet()
        await alice.raw(
            f'{{"pub":{{"id":"1","topic":"{named[alice]}","head":{head},"content":1}}}}'
        )
        assert (await alice.answer("1"))["code"] == 202
        (data,) = [p["data"] for p in await bob.quiet() if "data" in p]
        assert data["from"] == alice.user
        assert "head" not in data


@pytest.mark.parametrize(
    ("replace", "code"),
    [
        ('"replace":":1"', 403),
        ('"\\u0072eplace":":1"', 403),
        ('"replace":":00001"', 403),
        ('"replace":": 1"', 400),
        ('"replace":"x:1"', 400),
        ('"replace":":1x"', 400),
        ('"replace":":+1"', 400),
        ('"replace":":\\u0031"', 400),
        ('"replace":":１"', 400),
        ('"replace":":00000000001"', 400),
        ('"replace":1', 400),
        ('"replace":{"split":1}', 400),
        ('"replace":":7"', 403),
        ('"replace":null', 202),
    ],
)
async def test_nobody_edits_another_s_message(replace, code, autojump_clock):
    """However it is written. What official clients would stumble over is refused, too."""
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        assert await alice.code(pub={"topic": group, "content": "mine"}) == 202
        await bob.raw(
            f'{{"pub":{{"id":"e","topic":"{group}","head":{{{replace}}},"content":"x"}}}}'
        )
        assert (await bob.answer("e"))["code"] == code


async def test_one_s_own_message_may_be_edited(autojump_clock):
    async with world() as it:
        alice = await it.person("alice")
        group = await it.group(alice)
        assert await alice.code(pub={"topic": group, "content": "first"}) == 202
        edit = {"topic": group, "content": "second", "head": {"replace": ":1"}}
        assert await alice.code(pub=edit) == 202


@pytest.mark.parametrize(
    "extra",
    [{"obo": "usrAAAAAAAAAAA"}, {"authlevel": "root"}, {"obo": "x", "authlevel": "anon"}],
)
@pytest.mark.parametrize(
    "request_",
    [
        {"pub": {"topic": "GROUP", "content": 1}},
        {"get": {"topic": "me", "what": "desc"}},
        {"set": {"topic": "me", "desc": {"public": 1}}},
        {"sub": {"topic": "me"}},
        {"del": {"what": "user", "user": "usrAAAAAAAAAAA"}},
        {"acc": {"user": "usrAAAAAAAAAAA", "status": "susp"}},
        {"note": {"topic": "GROUP", "what": "kp"}},
        {"leave": {"topic": "GROUP"}},
        {"login": {"scheme": "basic"}},
        {"hi": {"ver": "0.25"}},
    ],
)
async def test_only_root_acts_for_others(extra, request_, autojump_clock):
    async with world() as it:
        mallory, alice = await it.person("mallory"), await it.person("alice")
        group = await it.group(alice, mallory)
        await alice.quiet()
        await mallory.quiet()
        ((kind, body),) = request_.items()
        body = {k: group if v == "GROUP" else v for k, v in body.items()}
        body = {k: alice.user if v == FORGED else v for k, v in body.items()}
        if extra.get("obo") == FORGED:
            extra = {**extra, "obo": alice.user}
        await mallory.send({kind: {"id": "x", **body}, "extra": extra})
        answer = await mallory.first()
        assert answer["code"] == 403
        assert "id" not in answer
        assert await alice.quiet() == []


async def test_levels_and_users_in_requests_are_not_believed(autojump_clock):
    async with world() as it:
        mallory, alice = await it.person("mallory"), await it.person("alice")
        assert await mallory.code(sub={"topic": "me"}) == 200
        other = alice.user
        assert await mallory.code(acc={"user": other, "status": "susp"}) == 403
        assert await mallory.code(acc={"status": "ok"}) == 403
        assert await mallory.code(acc={"user": other, "scheme": "basic", "secret": ""}) == 403
        assert await mallory.code(**{"del": {"what": "user", "user": other}}) == 403
        assert await mallory.code(set={"topic": "me", "desc": {"trusted": {"staff": 1}}}) == 403
        assert await mallory.code(set={"topic": "me", "sub": {"user": other, "mode": "N"}}) == 403
        group = await it.group(mallory, alice)
        assert await mallory.code(pub={"topic": group, "from": other, "content": 1}) == 202
        (data,) = [p["data"] for p in await alice.quiet() if "data" in p]
        assert data["from"] == mallory.user
