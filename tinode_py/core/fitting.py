"""How much one answer may hold.

A longer one would make a slow reader of anybody, and fill the memory of the server. As CBOR it
may be twice as long.
"""

from __future__ import annotations

import attrs

from ..records import Message
from ..wire.server_parts import SubRow
from .decision import Env


def _room(env: Env) -> int:
    return env.settings.limits.outbox // 4


def messages(page: tuple[Message, ...], env: Env) -> tuple[Message, ...]:
    """The newest of a page that fit: one at least."""
    left = _room(env)
    for count, message in enumerate(page):
        left -= len(message.content) + len(message.head or b"")
        if left < 0 and count:
            return page[:count]
    return page


def rows(found: tuple[SubRow, ...], env: Env) -> tuple[SubRow, ...]:
    """All rows; those whose descriptions do not fit any more come without them."""
    left = _room(env)
    fitted = []
    for row in found:
        size = sum(len(text) for text in (row.public, row.trusted, row.private) if text)
        if size > left:
            row = attrs.evolve(row, public=None, trusted=None, private=None)
        else:
            left -= size
        fitted.append(row)
    return tuple(fitted)
