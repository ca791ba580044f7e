"""No poison: what was accepted can be read back by everybody, live and from the history."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.abuse.people import Packet, world

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
ODD = [
    "0", "-0", "-0.0", "1e308", "1e-400", "9007199254740993", "18446744073709551615",
    "-9223372036854775809", "9" * 308, '""', '"\\ud83d\\ude00"', '"\\udc00\\ud800"', '"\\/"',
    '"\\u2028\\u2029"', '"\u202e\u200b\ufeff"', '{"":""}', '{"a":1,"a":2}', '{"__proto__":{}}',
    '" "', "[ ]", "[[[[[[[[[[]]]]]]]]]]", "[" * 250 + "]" * 250, '{"␡":"␡"}', '"␡"', "null",
    '{"txt":1,"fmt":"x","ent":{}}', '{"fmt":[{"at":-1,"len":1e99}],"ent":[{"tp":[]}]}',
    '"\\u0001\\u007f"', '"\\\\u0000"', "[1,2 , 3]", "1.0", "1E5", '{"ctrl":{"code":200}}',
]  # fmt: skip


def same(found: Any, sent: Any) -> bool:
    """Equal as a reader in JavaScript sees it: numbers are doubles."""
    if isinstance(sent, dict):
        return found.keys() == sent.keys() and all(same(found[k], sent[k]) for k in sent)
    if isinstance(sent, list):
        return len(found) == len(sent) and all(map(same, found, sent))
    if isinstance(sent, int | float) and not isinstance(sent, bool):
        return math.isclose(float(found), float(sent), rel_tol=1e-15)
    return bool(found == sent)


async def exchange(text: str) -> None:
    """Alice publishes; Bob (JSON) and Carol (CBOR) read it live, then from the history."""
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        carol = await it.person("carol", binary=True)
        group = await it.group(alice, bob, carol)
        await bob.quiet()
        await carol.quiet()
        head = f'{{"h":{text}}}'
        if text.startswith("[" * 250):
            head = "{}"
        await alice.raw(f'{{"pub":{{"id":"p","topic":"{group}","head":{head},"content":{text}}}}}')
        assert (await alice.answer("p"))["code"] == 202
        for client in (bob, carol):
            live = [p["data"] for p in await client.quiet() if "data" in p]
            assert await client.code(get={"topic": group, "what": "data"}) == 208
            stored: list[Packet] = [p["data"] for p in client.seen if "data" in p]
            client.seen.clear()
            for data in (*live, *stored):
                sent = json.loads(text.replace("\\udc00\\ud800", "\\ufffd\\ufffd"))
                assert same(data["content"], sent)
            assert len(live) == len(stored) == 1


@pytest.mark.parametrize("text", ODD, ids=lambda text: text[:20])
async def test_odd_contents_are_read_back(text, autojump_clock):
    await exchange(text)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(VALUES)
def test_any_content_is_read_back(value):
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(exchange, json.dumps(value), clock=clock)


@pytest.mark.parametrize("where", ["public", "private", "aux", "group public"])
@pytest.mark.parametrize("text", [t for t in ODD if t not in ("null", '"␡"')], ids=lambda t: t[:20])
async def test_odd_descriptions_are_read_back(where, text, autojump_clock):
    """By the user himself and by another, who reads CBOR."""
    async with world() as it:
        alice, carol = await it.person("alice"), await it.person("carol", binary=True)
        group = await it.group(alice, carol)
        topic = "me" if where in ("public", "private") else group
        if topic == "me":
            assert await alice.code(sub={"topic": "me"}) == 200
        part = f'"aux":{text}' if where == "aux" else f'"desc":{{"{where[-7:].strip()}":{text}}}'
        await alice.raw(f'{{"set":{{"id":"s","topic":"{topic}",{part}}}}}')
        assert (await alice.answer("s"))["code"] in (200, 304)
        what = "desc sub aux" if topic == group else "desc"
        assert await alice.code(sub={"topic": "slf"}) == 200
        for client in (alice, carol):
            seen_as = topic if topic == group or client is alice else alice.user
            await client.quiet()
            await client.send({"get": {"id": "g", "topic": seen_as, "what": what}})
            metas = [p["meta"] for p in await client.quiet() if "meta" in p]
            assert metas
