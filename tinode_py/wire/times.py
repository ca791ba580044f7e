"""Times on the wire: UTC, milliseconds, always 24 characters.

Clients take a text for a time only if it is 20 to 24 characters long (protocol notes, 0).
"""

from __future__ import annotations

import datetime
import functools
import re

_EPOCH = datetime.datetime(1970, 1, 1)
_MILLISECOND = datetime.timedelta(milliseconds=1)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)


@functools.lru_cache(maxsize=1024)
def time_text(at: int) -> str:
    """Milliseconds since 1970 as `YYYY-MM-DDTHH:MM:SS.mmmZ`."""
    return (_EPOCH + at * _MILLISECOND).isoformat(timespec="milliseconds") + "Z"


def parse_time(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 text; finer fractions are cut. Raises ValueError."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        raise ValueError("a time that is not RFC 3339")
    *fields, fraction, sign, hours, minutes = found.groups()
    at = (datetime.datetime(*map(int, fields)) - _EPOCH) // _MILLISECOND  # type: ignore[arg-type]
    at += int((fraction or "0").ljust(3, "0")[:3])
    return at - _offset(sign, hours, minutes)


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> int:
    """The zone's distance from UTC in milliseconds."""
    if sign is None or hours is None or minutes is None:
        return 0
    if int(hours) > 23 or int(minutes) > 59:
        raise ValueError("a time with an impossible zone")
    return (int(hours) * 60 + int(minutes)) * 60_000 * (-1 if sign == "-" else 1)
