from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tinode_py.ranges import listed, merged
from tinode_py.records import Range
from tinode_py.store.ranges import without

_ranges = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 6)).map(lambda p: Range(p[0], p[0] + p[1])),
    max_size=8,
)


def _numbers(ranges) -> set[int]:
    return {number for r in ranges for number in range(r.low, r.hi)}


@given(_ranges)
def test_merged_ranges_hold_the_same_numbers_and_never_touch(ranges):
    result = merged(ranges)
    assert _numbers(result) == _numbers(ranges)
    assert all(a.hi < b.low for a, b in itertools.pairwise(result))
    assert all(r.low < r.hi for r in result)


@given(_ranges)
def test_listed_ranges_hold_the_same_numbers_once(ranges):
    result = listed(ranges)
    assert _numbers(result) == _numbers(ranges)
    assert all(a.hi <= b.low for a, b in itertools.pairwise(result))
    touching = [(a, b) for a, b in itertools.pairwise(result) if a.hi == b.low]
    assert all(1 in (a.hi - a.low, b.hi - b.low) for a, b in touching)


@given(_ranges, _ranges)
def test_what_is_left_of_ranges_with_holes(ranges, holes):
    ranges, holes = merged(ranges)[::-1], merged(holes)[::-1]
    result = list(without(ranges, holes))
    assert _numbers(result) == _numbers(ranges) - _numbers(holes)
    assert all(a.low >= b.hi for a, b in itertools.pairwise(result))
    assert all(r.low < r.hi for r in result)


def test_holes_are_taken_only_as_far_as_needed():
    holes = iter([Range(90, 95), Range(50, 60), Range(1, 2)])
    rest = without([Range(80, 100), Range(1, 70)], holes)
    assert next(rest) == Range(95, 100)
    assert next(holes) == Range(50, 60)
