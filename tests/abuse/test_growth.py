"""No document grows without end, however many requests add to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.abuse.people import world

PIECE = "x" * 40_000


@pytest.mark.parametrize("part", ["aux", "public", "private"])
async def test_merging_has_an_end(part, autojump_clock):
    async with world() as it:
        alice, bob = await it.person("alice"), await it.person("bobby")
        group = await it.group(alice, bob)
        codes = []
        for number in range(6):
            value = {f"k{number}": PIECE}
            change = {"aux": value} if part == "aux" else {"desc": {part: value}}
            codes.append(await alice.code(set={"topic": group, **change}))
        assert codes == [200, 200, 200, 413, 413, 413]
        mended = {"k0": "␡"}
        change = {"aux": mended} if part == "aux" else {"desc": {part: mended}}
        assert await alice.code(set={"topic": group, **change}) == 200


@pytest.mark.parametrize("part", ["public", "private"])
async def test_merging_into_an_account_has_an_end(part, autojump_clock):
    async with world() as it:
        desc: dict[str, Any] = {part: {"k": PIECE}}
        alice = await it.person("alice", **desc)
        assert await alice.code(sub={"topic": "me"}) == 200
        codes = [
            await alice.code(set={"topic": "me", "desc": {part: {f"k{number}": PIECE}}})
            for number in range(5)
        ]
        assert codes == [200, 200, 413, 413, 413]
