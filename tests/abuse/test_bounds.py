"""Every member of a packet has an end: at the limit it is taken, beyond it 400, never more."""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest

from tests.abuse.people import Packet, secret, world


def named(path: str, value: Any) -> Packet:
    """`set.desc.defacs.auth` with a value, as a packet."""
    packet: Any = value
    for part in reversed(path.split(".")):
        packet = {part: packet}
    found: Packet = packet
    return found


TEXTS = {
    "pub.id": 256, "sub.id": 256, "hi.ua": 4096, "hi.dev": 4096, "hi.lang": 4096,
    "hi.platf": 4096, "hi.ver": 4096, "get.what": 4096, "get.topic": 64, "sub.topic": 64,
    "pub.topic": 64, "leave.topic": 64, "set.topic": 64, "del.topic": 64, "del.user": 64,
    "acc.user": 64, "acc.scheme": 4096, "acc.status": 4096, "acc.authlevel": 4096,
    "login.scheme": 4096, "del.what": 4096, "set.sub.user": 64, "set.sub.mode": 4096,
    "set.desc.defacs.auth": 4096, "get.sub.user": 64, "get.sub.topic": 64,
}  # fmt: skip


@pytest.mark.parametrize(("path", "limit"), TEXTS.items(), ids=TEXTS.keys())
async def test_texts(path, limit, autojump_clock):
    async with world() as it:
        alice = await it.person("alice")
        for size, reads in ((limit, True), (limit + 1, False)):
            await alice.send(named(path, "x" * size))
            answer = await alice.first()
            malformed = {"code": 400, "text": "malformed", "ts": answer["ts"]}
            assert reads or answer == malformed
        assert await alice.code(sub={"topic": "me"}) == 200


LISTS: dict[str, tuple[int, Any]] = {
    "set.tags": (1024, "abc"),
    "acc.tags": (1024, "abc"),
    "acc.cred": (1024, {"meth": "x"}),
    "login.cred": (1024, {"meth": "x"}),
    "get.data.ranges": (4096, {"low": 1}),
    "del.delseq": (4096, {"low": 1}),
    "extra.attachments": (1024, "x"),
}


@pytest.mark.parametrize(("path", "bound"), LISTS.items(), ids=LISTS.keys())
async def test_lists(path, bound, autojump_clock):
    limit, item = bound
    async with world() as it:
        alice = await it.person("alice")
        for size in (limit, limit + 1):
            packet = {"hi": {"ver": "0.25"}} if path.startswith("extra") else {}
            await alice.send(packet | named(path, [item] * size))
            answer = await alice.first()
            if size > limit:
                assert answer == {"code": 400, "text": "malformed", "ts": answer["ts"]}
        assert await alice.code(sub={"topic": "me"}) == 200


async def test_only_so_many_tags_are_kept(autojump_clock):
    async with world() as it:
        alice = await it.person("alice")
        assert await alice.code(sub={"topic": "me"}) == 200
        tags = ["basic:alice", *(f"tag{n:03}" for n in range(900)), "x" * 97]
        assert await alice.code(set={"topic": "me", "tags": tags}) == 200
        await alice.send({"get": {"id": "1", "topic": "me", "what": "tags"}})
        (meta,) = [p["meta"] for p in await alice.quiet() if "meta" in p]
        assert len(meta["tags"]) == 16


LOGINS = ["ａｌｉｃｅ", "alicе", "ALICE", "alice\u200b", "alice ", " alice", "alıce", "aliсe"]


@pytest.mark.parametrize("login", LOGINS, ids=ascii)
async def test_look_alikes_of_a_login_are_not_that_login(login, autojump_clock):
    """They may be taken by others, or not; they never open Alice's account."""
    async with world() as it:
        alice = await it.person("alice")
        other = await it.guest()
        answer = await other.ask(login={"scheme": "basic", "secret": secret(login)})
        if login.lower() == "alice":
            assert answer["params"]["user"] == alice.user
            return
        assert answer["code"] == 401
        acc = {"user": "new", "scheme": "basic", "secret": secret(login)}
        made = await (await it.guest()).ask(acc=acc)
        assert made["code"] in (201, 422)
        assert made.get("params", {}).get("user") != alice.user


@pytest.mark.parametrize(
    "tag",
    ["basic:alice", "BASIC:alice", " basic:alice ", "Basic:ALICE", "email:a@b.c", "TEL:+1",
     "ｂasic:alice", "bas\u200bic:alice", "basic\uff1aalice"],
    ids=ascii,
)  # fmt: skip
@pytest.mark.parametrize("where", ["me", "group", "new account", "new group"])
async def test_tags_of_the_server_s_are_not_for_the_taking(tag, where, autojump_clock):
    async with world() as it:
        await it.person("alice")
        mallory = await it.person("mallory")
        if where == "me":
            assert await mallory.code(sub={"topic": "me"}) == 200
            await mallory.code(set={"topic": "me", "tags": ["basic:mallory", tag]})
        elif where == "group":
            group = await it.group(mallory)
            await mallory.code(set={"topic": group, "tags": [tag]})
        elif where == "new group":
            await mallory.code(sub={"topic": "new", "set": {"tags": [tag]}})
        else:
            acc = {"user": "new", "scheme": "basic", "secret": secret("other"), "tags": [tag]}
            await (await it.guest()).code(acc=acc)
        bob = await it.person("bobby")
        assert await bob.code(sub={"topic": "fnd"}) == 200
        for query in ("basic:alice", "email:a@b.c", "tel:+1"):
            assert await bob.code(set={"topic": "fnd", "desc": {"public": query}}) == 200
            await bob.quiet()
            await bob.send({"get": {"id": "f", "topic": "fnd", "what": "sub"}})
            found = [r for p in await bob.quiet() if "meta" in p for r in p["meta"]["sub"]]
            assert len(found) == (1 if query == "basic:alice" else 0)


@pytest.mark.parametrize(
    "query",
    ["' OR 1=1 --", '"; DROP TABLE tag', "%", "_", "*", "a* OR b", "\\", '"' * 500, "a," * 2000,
     "NEAR(a b)", "(" * 2000, "tag:\u202e", "a b c d e f " * 300],
    ids=lambda it: it[:12],
)  # fmt: skip
async def test_a_search_is_never_a_statement(query, autojump_clock, tmp_path):
    path = f"sqlite:///{tmp_path}/t.db"
    async with world(server={"store": path, "data": str(tmp_path)}) as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        assert await bob.code(sub={"topic": "fnd"}) == 200
        await bob.code(set={"topic": "fnd", "desc": {"public": query}})
        await bob.quiet()
        await bob.send({"get": {"id": "f", "topic": "fnd", "what": "sub tags"}})
        found = [r for p in await bob.quiet() if "meta" in p for r in p["meta"].get("sub", [])]
        assert found == []
        assert await alice.code(sub={"topic": "me"}) == 200


async def test_no_secret_and_no_content_in_the_log(autojump_clock, caplog):
    """A canary in everything that a client says; what fails says so without it."""
    canary = "cAnArY7"
    with caplog.at_level(logging.DEBUG):
        async with world() as it:
            alice = await it.guest()
            acc = {"user": "new", "scheme": "basic", "secret": secret("alice", canary),
                   "login": True, "desc": {"public": canary, "private": canary}}  # fmt: skip
            answer = await alice.ask(acc=acc)
            token = answer["params"]["token"]
            group = await it.group(alice)
            await alice.code(pub={"topic": group, "content": canary, "head": {"x": canary}})
            await alice.raw(f'{{"pub":{{"topic":"{group}","content":"{canary}')
            await alice.raw(f'{{"login":{{"secret":{{"{canary}":1}}}}}}')
            await alice.raw(f'{{"{canary}":"{canary}"}}')
            await alice.raw(f'{{"set":{{"{canary}":"{canary}","topic":7}}}}')
            guest = await it.guest(ua=canary, dev=canary)
            for text in (secret("alice", canary + "x"), base64.b64encode(canary.encode()).decode(),
                         token[:-4] + "AAAA", token):  # fmt: skip
                for scheme in ("basic", "token", canary):
                    await guest.code(login={"scheme": scheme, "secret": text})
            await alice.close()
            await guest.close()
            await it.empty()
    text = "\n".join(map(str, (record.__dict__ for record in caplog.records))) + caplog.text
    assert caplog.records
    for word in (canary, token, secret("alice", canary)):
        assert word not in text


async def test_a_long_list_keeps_its_rows_and_leaves_out_descriptions(autojump_clock):
    """A quarter of what may wait unsent is 25,000 bytes here: two of these descriptions fit."""
    async with world(limits={"outbox": 100_000, "message_size": 65_536}) as it:
        long = {"fn": "x" * 10_000}
        people = [await it.person(f"person{n}", public=long) for n in range(6)]
        group, alice = await it.group(*people), people[0]
        for member in people[1:]:
            assert await alice.code(sub={"topic": member.user}) == 200
        assert await alice.code(sub={"topic": "me"}) == 200

        async def listed(topic: str, **query: Any) -> list[Packet]:
            await alice.quiet()
            await alice.send({"get": {"id": "g", "topic": topic, "what": "sub", "sub": query}})
            (rows,) = [p["meta"]["sub"] for p in await alice.quiet() if "meta" in p]
            return list(rows)

        for topic in (group, "me"):
            rows = await listed(topic)
            assert len(rows) == 6
            assert sum("public" in row for row in rows) == 2
            assert all(row["acs"]["mode"] for row in rows if topic == "me")
        (row,) = await listed(group, user=people[5].user)
        assert row["public"] == long
