"""What cannot be read, or makes no sense, costs its sender one answer and nobody else anything.

Every row is sent to a logged-in session that is attached to a group; afterwards the session
still works and the others have chatted on. (What is refused while decoding is in tests/wire.)
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.abuse.people import Client, World, world

DEEP = "[" * 5000 + "]" * 5000
BIG = 2**31

NOT_PACKETS = {
    "nothing": "",
    "blank": " ",
    "no JSON": "hello",
    "half an object": '{"pub":{"topic":"x"',
    "two objects": '{"hi":{}}{"hi":{}}',
    "an array": "[]",
    "a text": '"hi"',
    "a number": "12",
    "null": "null",
    "an empty object": "{}",
    "an unknown packet": '{"frob":{"id":"1"}}',
    "only extra": '{"extra":{"attachments":[]}}',
    "a packet that is null": '{"pub":null}',
    "a packet that is an array": '{"pub":[]}',
    "a packet that is a text": '{"pub":"x"}',
    "content nested 5,000 deep": f'{{"pub":{{"id":"d","topic":"GROUP","content":{DEEP}}}}}',
    "objects nested 5,000 deep": '{"pub":{"content":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}}",
    "5,000 open brackets": "[" * 5000,
    "NaN": '{"pub":{"topic":"GROUP","content":NaN}}',
    "infinity": '{"pub":{"topic":"GROUP","content":1e999}}',
    "a number of 5,000 digits": f'{{"pub":{{"topic":"GROUP","content":{"9" * 5000}}}}}',
    "a huge seq": '{"note":{"topic":"GROUP","what":"read","seq":4294967296}}',
    "a fractional seq": '{"note":{"topic":"GROUP","what":"read","seq":1.5}}',
    "a huge limit": '{"get":{"topic":"GROUP","what":"data","data":{"limit":1e30}}}',
    "a byte order mark": '\ufeff{"hi":{}}',
    "a control character": '{"pub":{"topic":"GR\x01","content":1}}',
    "NUL in a name": '{"sub":{"topic":"grp\\u0000"}}',
    "NUL in a content": '{"pub":{"topic":"GROUP","content":"a\\u0000b"}}',
    "broken base64": '{"login":{"scheme":"basic","secret":"???"}}',
    "an endless id": f'{{"pub":{{"id":"{"i" * 300}","topic":"GROUP","content":1}}}}',
    "an endless name": f'{{"sub":{{"id":"1","topic":"grp{"x" * 300}"}}}}',
}


class Scene:
    """Mallory, who attacks, and Alice and Bob, who chat, in one group."""

    def __init__(self, mallory: Client, alice: Client, bob: Client, group: str) -> None:
        self.mallory, self.alice, self.bob, self.group = mallory, alice, bob, group

    async def chat(self) -> None:
        """Alice writes, and both others read it."""
        for client in (self.mallory, self.bob):
            await client.quiet()
        answer = await self.alice.ask(pub={"topic": self.group, "content": "still here"})
        assert answer["code"] == 202
        for client in (self.mallory, self.bob):
            heard = [p["data"]["content"] for p in await client.quiet() if "data" in p]
            assert heard == ["still here"]


async def scene(it: World, *, binary: bool = False) -> Scene:
    alice, bob = await it.person("alice"), await it.person("bobby")
    mallory = await it.person("mallory", binary=binary)
    group = await it.group(alice, bob, mallory)
    for client in (alice, bob, mallory):
        await client.quiet()
    return Scene(mallory, alice, bob, group)


@pytest.mark.parametrize("text", NOT_PACKETS.values(), ids=NOT_PACKETS.keys())
async def test_what_is_no_packet_is_answered_400(text, autojump_clock):
    async with world() as it:
        its = await scene(it)
        await its.mallory.raw(text.replace("GROUP", its.group))
        answer = await its.mallory.first()
        assert answer == {"code": 400, "text": "malformed", "ts": answer["ts"]}
        await its.chat()


WRONG: dict[str, dict[str, Any]] = {
    "hi": {"id": 1, "ver": 25, "ua": [], "dev": {}, "lang": 7, "platf": True, "bkg": "yes"},
    "acc": {
        "id": {}, "user": 1, "tmpscheme": [], "tmpsecret": 5, "status": 1, "authlevel": {},
        "scheme": 1, "secret": {}, "login": "x", "tags": "x", "desc": [], "cred": {},
    },
    "login": {"id": [], "scheme": 1, "secret": 17, "cred": "x"},
    "sub": {"id": 1, "topic": 5, "set": [], "get": "x"},
    "leave": {"id": 1, "topic": {}, "unsub": "true"},
    "pub": {"id": 1, "topic": ["x"], "noecho": 1, "head": []},
    "get": {"id": 1, "topic": 1, "what": 5, "desc": [], "sub": 1, "data": "x", "del": []},
    "set": {"id": 1, "topic": 1, "desc": "x", "sub": [], "tags": {}, "cred": []},
    "del": {"id": 1, "topic": 1, "what": [], "delseq": {}, "user": 1, "cred": [], "hard": "x"},
    "note": {"topic": 1, "what": 1, "seq": "1", "event": 5, "unread": []},
}  # fmt: skip
INSIDE: list[dict[str, Any]] = [
    {"get": {"topic": "GROUP", "what": "data", "data": {"since": "1"}}},
    {"get": {"topic": "GROUP", "what": "data", "data": {"ranges": [1]}}},
    {"get": {"topic": "GROUP", "what": "data", "data": {"ranges": [{"low": "1"}]}}},
    {"get": {"topic": "GROUP", "what": "data", "data": {"ranges": {"low": 1}}}},
    {"get": {"topic": "GROUP", "what": "sub", "sub": {"ims": 17}}},
    {"get": {"topic": "GROUP", "what": "sub", "sub": {"ims": "yesterday"}}},
    {"set": {"topic": "GROUP", "desc": {"defacs": "JRWP"}}},
    {"set": {"topic": "GROUP", "desc": {"defacs": {"auth": 1}}}},
    {"set": {"topic": "GROUP", "sub": {"mode": 7}}},
    {"set": {"topic": "GROUP", "tags": [1]}},
    {"set": {"topic": "GROUP", "cred": {"meth": 1}}},
    {"del": {"topic": "GROUP", "what": "msg", "delseq": [1]}},
    {"del": {"topic": "GROUP", "what": "msg", "delseq": [{"low": []}]}},
    {"sub": {"topic": "GROUP", "get": {"what": 1}}},
    {"sub": {"topic": "GROUP", "set": {"desc": 1}}},
    {"acc": {"user": "new", "cred": [1]}},
    {"pub": {"topic": "GROUP", "content": 1}, "extra": []},
    {"pub": {"topic": "GROUP", "content": 1}, "extra": {"attachments": "x"}},
    {"pub": {"topic": "GROUP", "content": 1}, "extra": {"obo": 1}},
]


@pytest.mark.parametrize("binary", [False, True], ids=["json", "cbor"])
async def test_wrong_types_in_every_member(binary, autojump_clock):
    wrong = ((kind, member) for kind, members in WRONG.items() for member in members.items())
    packets = [{kind: dict([member])} for kind, member in wrong]
    async with world() as it:
        its = await scene(it, binary=binary)
        for packet in packets + INSIDE:
            await its.mallory.send(_at(packet, its.group))
            answer = await its.mallory.first()
            assert (answer["code"], answer.get("id"), answer.get("topic")) == (400, None, None), (
                packet
            )
        await its.chat()


def _at(packet: dict[str, Any], group: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(packet).replace("GROUP", group))
    return found


WITHOUT_ID = [
    ({"hi": {}}, 201),
    ({"login": {"scheme": "basic"}}, 409),
    ({"acc": {}}, 400),
    ({"acc": {"user": "newX"}}, 400),
    ({"sub": {}}, 400),
    ({"sub": {"topic": "GROUP"}}, 304),
    ({"leave": {}}, 400),
    ({"leave": {"topic": "me"}}, 304),
    ({"pub": {}}, 400),
    ({"pub": {"topic": "me", "content": 1}}, 409),
    ({"get": {}}, 400),
    ({"get": {"topic": "GROUP"}}, 400),
    ({"get": {"topic": "GROUP", "what": "everything"}}, 400),
    ({"set": {}}, 400),
    ({"set": {"topic": "GROUP"}}, 400),
    ({"del": {}}, 400),
    ({"del": {"topic": "GROUP", "what": "everything"}}, 400),
    ({"del": {"topic": "GROUP", "what": "msg"}}, 400),
]


@pytest.mark.parametrize(("packet", "code"), WITHOUT_ID, ids=lambda it: json.dumps(it))
async def test_requests_without_an_id_or_a_topic(packet, code, autojump_clock):
    async with world() as it:
        its = await scene(it)
        await its.mallory.send(_at(packet, its.group))
        answer = await its.mallory.first()
        assert (answer["code"], answer.get("id")) == (code, None)
        await its.chat()


@pytest.mark.parametrize(
    "note",
    [
        {"topic": "basic:x", "what": "call", "seq": 1, "event": "ringing"},
        {"topic": "GROUP", "what": "call", "seq": 1, "event": "ringing"},
        {"topic": "usrAAAAAAAAAAA", "what": "call", "seq": 1, "event": "hang-up"},
        {"topic": "me", "what": "call", "seq": 1, "event": "accept"},
        {"topic": "fnd", "what": "call", "seq": 1, "event": "accept"},
        {"topic": "sys", "what": "call", "seq": 1, "event": "accept"},
        {"topic": "", "what": "call", "seq": 1, "event": "ringing"},
        {"topic": "usr", "what": "recv", "seq": 1},
        {"topic": "GROUP", "what": "read", "seq": 2**31 - 1},
        {"topic": "GROUP", "what": "read", "seq": -1},
        {"topic": "GROUP", "what": ""},
        {"topic": "GROUP", "what": "frob"},
        {"topic": "GROUP", "what": "data"},
        {"topic": "usrAAAAAAAAAAA", "what": "recv", "seq": 1},
        {"topic": "grpAAAAAAAAAAA", "what": "recv", "seq": 1},
    ],
    ids=lambda note: "-".join(map(str, note.values())),
)
async def test_notes_that_mean_nothing_are_dropped(note, autojump_clock):
    async with world() as it:
        its = await scene(it)
        await its.mallory.send(_at({"note": note}, its.group))
        assert await its.mallory.quiet() == []
        await its.chat()


async def test_lone_surrogates_are_mended_for_all_readers(autojump_clock):
    async with world() as it:
        its = await scene(it)
        await its.mallory.raw(
            f'{{"pub":{{"id":"1","topic":"{its.group}","content":"a\\ud800b","head":{{"x\\udfff":1}}}}}}'
        )
        assert (await its.mallory.answer("1"))["code"] == 202
        (data,) = [p["data"] for p in await its.bob.quiet() if "data" in p]
        assert data["content"] == "a\ufffdb"
        assert data["head"] == {"x\ufffd": 1}


async def test_a_thousand_packets_in_one_write_are_answered_in_order(autojump_clock):
    async with world() as it:
        its = await scene(it)
        packets = [
            {"pub": {"id": str(n), "topic": its.group, "noecho": True, "content": n}}
            for n in range(1000)
        ]
        await its.mallory.send(*packets)
        for n in range(1000):
            answer = await its.mallory.first()
            assert (answer["id"], answer["code"]) == (str(n), 202)
            assert answer["params"]["seq"] == n + 1
        await its.chat()


RANGES: dict[str, list[dict[str, int]]] = {
    "2,499 wide ones": [{"low": n, "hi": 2_000_000_000} for n in range(1, 2500)],
    "2,499 of one": [{"low": n * 800_000} for n in range(1, 2500)],
    "2,499 inverted": [{"low": 2_000_000_000, "hi": n} for n in range(1, 2500)],
    "3,900 nested": [{"low": n, "hi": 2**31 - 1 - n} for n in range(3900)],
    "from below nothing": [{"low": -(2**31), "hi": 2**31 - 1}],
}


@pytest.mark.parametrize("ranges", RANGES.values(), ids=RANGES.keys())
async def test_ranges_are_never_expanded(ranges, autojump_clock):
    """Expanded, one of these would take minutes and gigabytes."""
    async with world() as it:
        its = await scene(it)
        for n in range(5):
            assert await its.alice.code(pub={"topic": its.group, "content": n}) == 202
        for request in (
            {"get": {"topic": its.group, "what": "data", "data": {"ranges": ranges}}},
            {"del": {"topic": its.group, "what": "msg", "delseq": ranges}},
        ):
            await its.mallory.quiet()
            before = time.thread_time()
            code = await its.mallory.code(**request)
            assert time.thread_time() - before < 5  # ours and the client's
            assert code in (200, 204, 208, 400)
        await its.chat()


@pytest.mark.parametrize(
    "bounds",
    [
        {"ranges": [{"low": BIG}]},
        {"ranges": [{"low": 1, "hi": BIG}]},
        {"ranges": [{"low": 1, "hi": 2}] * 4097},
        {"ranges": [{"low": -BIG - 1}]},
        {"since": BIG},
        {"before": BIG},
        {"limit": BIG},
    ],
    ids=lambda it: str(it)[:40],
)
async def test_numbers_beyond_31_bits_are_400(bounds, autojump_clock):
    async with world() as it:
        its = await scene(it)
        await its.mallory.send(
            {"get": {"id": "1", "topic": its.group, "what": "data", "data": bounds}}
        )
        assert (await its.mallory.first())["code"] == 400
        await its.chat()


@pytest.mark.parametrize(
    "lang", ["x" * 45, "../../etc", "en-US" * 100, "\u202e", "", "'; DROP TABLE"]
)
@pytest.mark.parametrize("field", ["lang", "ua", "dev", "platf"])
async def test_languages_and_agents_are_just_text(lang, field, autojump_clock):
    async with world() as it:
        its = await scene(it)
        guest = await it.socket()
        answer = await guest.ask(hi={"ver": "0.25", field: lang})
        assert answer["code"] == 201
        assert lang not in json.dumps(answer) or not lang
        await its.chat()


@pytest.mark.parametrize("version", ["", "x", "0", "0.19", "99999.1", "-1.5", "1e3.2"])
async def test_versions_that_are_none(version, autojump_clock):
    async with world() as it:
        guest = await it.socket()
        assert await guest.code(hi={"ver": version}) in (400, 505)
        assert await guest.code(login={"scheme": "basic", "secret": ""}) == 409
        assert await guest.code(hi={"ver": "0.25"}) == 201
