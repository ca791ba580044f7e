"""What the server reads in a message's `head`, which else travels as it came.

Names are looked for as bytes first: most heads hold none of them. A name may be written with
escapes, so a head with a backslash is always read.
"""

from __future__ import annotations

import re

import msgspec

from ..errors import MALFORMED, Refused

IDEM = 64  # characters of `head.idem`
_REPLACE = re.compile(rb'":([0-9]{1,10})"')


def may_hold(head: bytes | None, name: str) -> bool:
    """Whether `name` can be a member of the head."""
    return head is not None and (b"\\" in head or b'"%b"' % name.encode() in head)


def needs_facts(head: bytes | None) -> bool:
    """Whether a message with this head may be an edit, a call, or a repeat."""
    return head is not None and any(may_hold(head, name) for name in ("replace", "webrtc", "idem"))


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


def idem(head: bytes | None) -> str:
    """The key under which a sender may repeat a publication (`head.idem`), "" if there is none.

    Refused if it is no text, or longer than 64 characters.
    """
    if not may_hold(head, "idem"):
        return ""
    value = msgspec.json.decode(fields(head).get("idem", b'""'))
    if not isinstance(value, str) or len(value) > IDEM:
        raise Refused(MALFORMED)
    return value


def is_ephemeral(head: bytes | None) -> bool:
    """Whether the publication is only for those who are there (`head.ephemeral`)."""
    if not may_hold(head, "ephemeral"):
        return False
    return bytes(fields(head).get("ephemeral", b"")) == b"true"
