"""What the server reads in a message's `head`, which else travels as it came.

Names are looked for as bytes first: most heads hold none of them. A name may be written with
escapes, so a head with a backslash is always read.
"""

from __future__ import annotations

import re

import msgspec

from ..errors import MALFORMED, Refused

_REPLACE = re.compile(rb'":([0-9]{1,10})"')


def may_hold(head: bytes | None, name: str) -> bool:
    """Whether `name` can be a member of the head."""
    return head is not None and (b"\\" in head or b'"%b"' % name.encode() in head)


def fields(head: bytes | None) -> dict[str, msgspec.Raw]:
    """The members of a head, each as its own text."""
    return msgspec.json.decode(head, type=dict[str, msgspec.Raw]) if head else {}


def replaced(head: bytes | None) -> int:
    """The message that an edit replaces (`head.replace`), 0 if it is no edit.

    Refused where clients would read another number than this, or fail: they take what follows
    the first colon of a text.
    """
    if not may_hold(head, "replace"):
        return 0
    target = bytes(fields(head).get("replace", b"null"))
    if target == b"null":
        return 0
    match = _REPLACE.fullmatch(target)
    if match is None:
        raise Refused(MALFORMED)
    return int(match[1])
