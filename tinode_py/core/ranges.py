"""Ranges of message numbers: read from packets, clipped, merged, never expanded id by id."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import MALFORMED, Refused
from ..ranges import listed, merged
from ..records import Range
from ..wire.parts import SeqRange

MAX_DELETED = 1024  # ids that one {del} of several ranges may name (protocol notes, 8.1)


def to_read(asked: Iterable[SeqRange], last: int) -> tuple[Range, ...]:
    """What {get data} may read: clipped to 1..last; inverted ranges hold nothing."""
    clipped = (Range(max(r.low, 1), min(r.hi or r.low + 1, last + 1)) for r in asked)
    return merged(clipped)


def to_delete(asked: Iterable[SeqRange], last: int) -> tuple[Range, ...]:
    """What {del msg} names, clipped to what exists; Refused if a range makes no sense."""
    result = []
    for r in asked:
        if r.low < 0 or r.hi < 0 or r.low > last or (r.low == 0 and r.hi == 0):
            raise Refused(MALFORMED)
        if 0 < r.hi < r.low:
            raise Refused(MALFORMED)
        hi = r.hi if r.hi > r.low else r.low + 1
        result.append(Range(max(r.low, 1), min(hi, last + 1)))
    found = listed(result)
    if not found or (len(found) > 1 and count(found) > MAX_DELETED):
        raise Refused(MALFORMED)
    return found


def count(ranges: Iterable[Range]) -> int:
    return sum(r.hi - r.low for r in ranges)


def to_wire(ranges: Iterable[Range]) -> tuple[SeqRange, ...]:
    """A range of one message is written as `low` alone."""
    return tuple(SeqRange(r.low, r.hi if r.hi > r.low + 1 else 0) for r in ranges)
