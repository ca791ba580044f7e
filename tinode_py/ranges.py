"""Half-open ranges of message numbers, put in order. Pure; never expands a range."""

from __future__ import annotations

from collections.abc import Iterable

from .records import Range


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same numbers as sorted ranges that neither overlap nor touch; empty ones vanish."""
    result: list[Range] = []
    for item in sorted((r for r in ranges if r.low < r.hi), key=lambda r: r.low):
        if result and item.low <= result[-1].hi:
            if item.hi > result[-1].hi:
                result[-1] = Range(result[-1].low, item.hi)
        else:
            result.append(item)
    return tuple(result)


def listed(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """The same numbers, sorted, without overlaps, as clients are told of deletions: wide ranges
    that touch are joined, a single number beside others stays by itself.
    """
    result: list[Range] = []
    for item in sorted((r for r in ranges if r.low < r.hi), key=lambda r: (r.low, -r.hi)):
        last = result[-1] if result else Range(0, 0)
        if item.hi <= last.hi:
            continue
        if item.low <= last.hi and not (_is_single(item) or _is_single(last)):
            result[-1] = Range(last.low, item.hi)
        else:
            result.append(item)
    return tuple(result)


def _is_single(item: Range) -> bool:
    return item.hi - item.low <= 1
