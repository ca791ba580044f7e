"""Fresh names."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tinode_py import ids


def drawn(*numbers: bytes) -> Callable[[int], bytes]:
    rest = iter(numbers)
    return lambda count: next(rest)


@pytest.mark.parametrize("first", [bytes(8), b"\xf8" + bytes(7), b"\xfb" + b"\xff" * 7])
def test_a_body_is_neither_zero_nor_begins_with_a_dash(first: bytes):
    assert ids.new_body(drawn(first, b"\xfc" + bytes(7))) == "_AAAAAAAAAA"


def test_every_other_first_character_comes():
    found = {ids.new_body(drawn(bytes([n << 2, 1, *bytes(6)])))[0] for n in range(64) if n != 62}
    assert len(found) == 63
    assert "-" not in found
