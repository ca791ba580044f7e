from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinode_py.core import ranges
from tinode_py.errors import Refused
from tinode_py.ranges import merged
from tinode_py.records import Range
from tinode_py.wire.parts import SeqRange

LAST = 12
asked = st.lists(st.builds(SeqRange, st.integers(-3, 20), st.integers(-3, 20)), max_size=5)


def numbers(found: tuple[Range, ...]) -> list[int]:
    return [n for r in found for n in range(r.low, r.hi)]


@given(asked)
def test_reading_clips_and_merges(wanted: list[SeqRange]):
    found = ranges.to_read(wanted, LAST)
    meant = {n for r in wanted for n in range(r.low, r.hi or r.low + 1)} & set(range(1, LAST + 1))
    assert numbers(found) == sorted(meant)
    assert all(one.hi < two.low for one, two in itertools.pairwise(found))


@given(asked)
def test_deleting_takes_what_it_names_or_nothing(wanted: list[SeqRange]):
    try:
        found = ranges.to_delete(wanted, LAST)
    except Refused:
        return
    meant = {n for r in wanted for n in range(r.low, max(r.hi, r.low + 1))}
    assert numbers(found) == sorted(meant & set(range(1, LAST + 1)))


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        [SeqRange(0, 0)],
        [SeqRange(-1, 2)],
        [SeqRange(1, -2)],
        [SeqRange(13, 14)],
        [SeqRange(5, 2)],
        [SeqRange(1), SeqRange(13)],
    ],
)
def test_deleting_refuses(wanted: list[SeqRange]):
    with pytest.raises(Refused):
        ranges.to_delete(wanted, LAST)


def test_one_range_may_be_huge_and_several_may_not():
    assert ranges.to_delete([SeqRange(1, 2**31)], 10**6) == (Range(1, 10**6 + 1),)
    with pytest.raises(Refused):
        ranges.to_delete([SeqRange(1, 1000), SeqRange(2000, 2500)], 10**6)


def test_huge_ranges_cost_nothing():
    many = [SeqRange(n, 2 * 10**9) for n in range(1, 2500)]
    assert ranges.to_read(many, 2**31 - 1) == (Range(1, 2 * 10**9),)


def test_what_lies_between_stays():
    assert merged([Range(4, 6), Range(1, 3)]) == (Range(1, 3), Range(4, 6))
    assert merged([Range(3, 6), Range(1, 3)]) == (Range(1, 6),)


def test_a_single_number_is_written_as_such():
    assert ranges.to_wire((Range(1, 2), Range(4, 9))) == (SeqRange(1), SeqRange(4, 9))
