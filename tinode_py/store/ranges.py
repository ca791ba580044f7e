"""Arithmetic of half-open ranges of message numbers. Pure; never expands a range."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..records import Range


def without(ranges: Iterable[Range], holes: Iterable[Range]) -> Iterator[Range]:
    """`ranges` less `holes`, lazily. All three run downwards and do not overlap.

    No more of `holes` is taken than what has been asked for needs.
    """
    rest = iter(holes)
    hole = next(rest, None)
    for item in ranges:
        hi = item.hi
        while hole is not None and hole.low >= hi:
            hole = next(rest, None)
        while hole is not None and hole.hi > item.low:
            if hole.hi < hi:
                yield Range(hole.hi, hi)
            hi = hole.low
            if hi <= item.low:
                break
            hole = next(rest, None)
        if item.low < hi:
            yield Range(item.low, hi)
