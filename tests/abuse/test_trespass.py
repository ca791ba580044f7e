"""Who is not in a topic learns nothing of it and changes nothing, by whatever request.

Every request kind meets every kind of topic that the asker is not in. What comes back must not
hold a word of what is inside, the owner must not notice, and a topic that exists is told from
one that does not only where the protocol says so.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.abuse.people import Client, World, world

SECRET = "swordfish"
ABSENT = {"grp": "grpAbCdEfGhIjk", "chn": "chnAbCdEfGhIjk"}
EVERYTHING = "desc sub data del tags cred aux"

REQUESTS: dict[str, dict[str, Any]] = {
    "sub": {"sub": {"topic": "T", "get": {"what": EVERYTHING}}},
    "sub for ownership": {"sub": {"topic": "T", "set": {"sub": {"mode": "JRWPASDO"}}}},
    "leave": {"leave": {"topic": "T"}},
    "unsub": {"leave": {"topic": "T", "unsub": True}},
    "pub": {"pub": {"topic": "T", "content": "intruder"}},
    "get desc": {"get": {"topic": "T", "what": "desc"}},
    "get everything": {"get": {"topic": "T", "what": EVERYTHING}},
    **{f"get {w}": {"get": {"topic": "T", "what": w}} for w in EVERYTHING.split()[1:]},
    "get sub of": {"get": {"topic": "T", "what": "sub", "sub": {"user": "OWNER"}}},
    "set public": {"set": {"topic": "T", "desc": {"public": "intruder"}}},
    "set private": {"set": {"topic": "T", "desc": {"private": "intruder"}}},
    "set defacs": {"set": {"topic": "T", "desc": {"defacs": {"auth": "JRWPASD"}}}},
    "set own mode": {"set": {"topic": "T", "sub": {"mode": "JRWPASDO"}}},
    "set a mode": {"set": {"topic": "T", "sub": {"user": "OWNER", "mode": "N"}}},
    "set tags": {"set": {"topic": "T", "tags": ["intruder"]}},
    "set aux": {"set": {"topic": "T", "aux": {"intruder": 1}}},
    "set cred": {"set": {"topic": "T", "cred": {"meth": "email", "val": "a@b.c"}}},
    "del msg": {"del": {"topic": "T", "what": "msg", "delseq": [{"low": 1}], "hard": True}},
    "del topic": {"del": {"topic": "T", "what": "topic", "hard": True}},
    "del sub": {"del": {"topic": "T", "what": "sub", "user": "OWNER"}},
    "del cred": {"del": {"topic": "T", "what": "cred", "cred": {"meth": "email", "val": "a"}}},
    "note kp": {"note": {"topic": "T", "what": "kp"}},
    "note read": {"note": {"topic": "T", "what": "read", "seq": 1}},
    "note recv": {"note": {"topic": "T", "what": "recv", "seq": 1}},
    "note data": {"note": {"topic": "T", "what": "data", "payload": "intruder"}},
    "note call": {"note": {"topic": "T", "what": "call", "seq": 1, "event": "hang-up"}},
}
TOPICS = ["group", "channel", "banned", "left", "p2p of others", "me of another", "slf of another",
          "fnd of another"]  # fmt: skip


async def made(it: World, kind: str) -> tuple[Client, Client, Client, str]:
    """Alice, Bob, Mallory, and the name by which Mallory comes for what is theirs."""
    alice = await it.person("alice", public="Alice", private=SECRET)
    bob, mallory = await it.person("bobby"), await it.person("mallory")
    if kind.endswith("of another"):
        prefix = kind[:3]
        for topic in ("me", "slf", "fnd"):
            assert await alice.code(sub={"topic": topic}) == 200
        assert await alice.code(pub={"topic": "slf", "content": SECRET}) == 202
        return alice, bob, mallory, {"me ": alice.user}.get(prefix, prefix + alice.user[3:])
    if kind == "p2p of others":
        for one, other in ((alice, bob), (bob, alice)):
            assert await one.code(sub={"topic": other.user}) == 200
        assert await alice.code(pub={"topic": bob.user, "content": SECRET}) == 202
        return alice, bob, mallory, "p2p" + alice.user[3:] + bob.user[3:]
    mode = "JRWPS" if kind in ("banned", "left") else "N"
    new = "nch" if kind == "channel" else "new"
    desc = {"defacs": {"auth": mode, "anon": "N"}, "private": SECRET}
    answer = await alice.ask(sub={"topic": new, "set": {"desc": desc, "tags": [SECRET]}})
    group = answer["topic"]
    if kind in ("banned", "left"):
        assert await mallory.code(sub={"topic": group}) == 200
        ban = {"user": mallory.user, "mode": "N"}
        assert await alice.code(set={"topic": group, "sub": ban}) == 200
        if kind == "left":  # put out: the ban outlives the membership
            out = {"what": "sub", "topic": group, "user": mallory.user}
            assert await alice.code(**{"del": out}) == 200
    assert await alice.code(set={"topic": group, "sub": {"user": bob.user, "mode": "JRWP"}}) == 200
    assert await alice.code(set={"topic": group, "aux": {"k": SECRET}}) == 200
    assert await alice.code(pub={"topic": group, "content": SECRET}) == 202
    return alice, bob, mallory, group


def filled(request: dict[str, Any], topic: str, owner: str) -> dict[str, Any]:
    text = json.dumps(request).replace('"T"', json.dumps(topic)).replace("OWNER", owner)
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("kind", TOPICS)
async def test_nothing_leaks_and_nothing_changes(kind, autojump_clock):
    async with world() as it:
        alice, bob, mallory, topic = await made(it, kind)
        for client in (alice, bob, mallory):
            await client.quiet()
        for name, request in REQUESTS.items():
            if kind == "me of another" and name != "get everything":
                continue  # another's `me` has no name: usr… is the chat with him
            ((what, body),) = filled(request, topic, alice.user).items()
            ident = {} if what == "note" else {"id": name}
            await mallory.send({what: {**ident, **body}})
            came = await mallory.quiet()
            text = json.dumps(came)
            assert SECRET not in text, name
            assert not [p for p in came if "data" in p], name
            codes = [p["ctrl"]["code"] for p in came if "ctrl" in p]
            allowed = _allowed(kind, name)
            assert all(code >= 300 or code in allowed for code in codes), (name, came)
            heard = await alice.quiet() + await bob.quiet()
            assert "intruder" not in json.dumps(heard), (name, heard)
            assert not [p for p in heard if "data" in p or "info" in p], (name, heard)
        await _is_whole(alice, bob, mallory, topic, kind)


def _allowed(kind: str, name: str) -> tuple[int, ...]:
    """Who has a row may change how he himself sees the topic, and end his membership."""
    own = name in ("set private", "set own mode", "del topic")
    return (200,) if kind in ("banned", "left") and own else ()


async def _is_whole(alice: Client, bob: Client, mallory: Client, topic: str, kind: str) -> None:
    """Everything of the owner's is as it was."""
    if kind.endswith("of another"):
        assert await alice.code(pub={"topic": "slf", "content": "more"}) == 202
        return
    if kind == "p2p of others":
        assert await alice.code(pub={"topic": bob.user, "content": "more"}) == 202
        return
    assert await alice.code(pub={"topic": topic, "content": 1, "noecho": True}) == 202
    await alice.send({"get": {"id": "all", "topic": topic, "what": "desc sub data tags aux"}})
    came = await alice.quiet()
    seqs = sorted(p["data"]["seq"] for p in came if "data" in p)
    assert seqs == [1, 2]
    metas: dict[str, Any] = {}
    for packet in came:
        metas.update(packet.get("meta", {}))
    assert metas["tags"] == [SECRET]
    assert metas["aux"] == {"k": SECRET}
    assert "public" not in metas["desc"]
    modes = {row["user"]: row["acs"]["mode"] for row in metas["sub"]}
    assert modes[alice.user] == "JRWPASDO"
    assert "J" not in modes.get(mallory.user, "N")


CANNOT_TELL = ["get data", "get del", "get tags", "get cred", "get aux", "set public", "set tags",
               "set aux", "pub", "unsub", "leave", "del msg", "del sub", "get sub of", "get sub",
               "set own mode", "set private", "note kp", "note read", "note recv"]  # fmt: skip


@pytest.mark.parametrize("name", CANNOT_TELL)
async def test_a_hidden_topic_answers_as_one_that_is_not(name, autojump_clock):
    async with world() as it:
        alice, _, mallory, topic = await made(it, "group")
        answers = []
        for target in (topic, ABSENT["grp"]):
            ((what, body),) = filled(REQUESTS[name], target, alice.user).items()
            await mallory.send({what: {"id": "x", **body} if what != "note" else body})
            answers.append(json.dumps(await mallory.quiet()).replace(target, "T"))
        assert _timeless(answers[0]) == _timeless(answers[1])


def _timeless(text: str) -> list[Any]:
    return [{k: v for k, v in p.get("ctrl", p).items() if k != "ts"} for p in json.loads(text)]


@pytest.mark.parametrize("login", [False, True], ids=["greeted", "silent"])
@pytest.mark.parametrize("name", [n for n in REQUESTS if not n.startswith("note")])
async def test_without_a_login_nothing_is_done(name, login, autojump_clock):
    async with world() as it:
        alice, _, _, topic = await made(it, "group")
        await alice.quiet()
        stranger = await (it.socket() if login else it.guest())
        ((what, body),) = filled(REQUESTS[name], topic, alice.user).items()
        assert await stranger.code(**{what: body}) == (409 if login else 401)
        assert await alice.quiet() == []
