"""Access modes: eight letters, their arithmetic and their text forms.

A mode is an int of eight bits. Everybody's effective mode in a topic is `want & given`.
Text form: letters in the order JRWPASDO, `N` for none. A delta such as `+JR-W` tells a change
(API document, section "Access control"; protocol notes, section 4).
"""

from __future__ import annotations

import enum

JOIN, READ, WRITE, PRES, APPROVE, SHARE, DELETE, OWNER = (1 << bit for bit in range(8))
NONE = 0
FULL = 255

LETTERS = "JRWPASDO"
_BITS = {letter: 1 << i for i, letter in enumerate(LETTERS)}
_TEXT = tuple(
    "".join(letter for letter, bit in _BITS.items() if mode & bit) or "N" for mode in range(256)
)


def parse_set(letters: str) -> int:
    mode = NONE
    for letter in letters:
        mode |= _BITS[letter]
    return mode


GROUP_AUTH = parse_set("JRWPS")
CHANNEL_AUTH = parse_set("RWPS")  # nobody writes in a channel without being invited
ACCOUNT_AUTH = parse_set("JRWPAS")
ME = parse_set("JPS")
SELF = parse_set("JRWDO")
SYS_ROOT = parse_set("JRWPD")
CHANNEL_READER = parse_set("JRP")
ADMIN = APPROVE | SHARE | OWNER  # who is told of changes in membership


class Level(enum.IntEnum):
    """How strongly a session is authenticated; the numbers are those in tokens."""

    NONE = 0
    ANON = 10
    AUTH = 20
    ROOT = 30

    @property
    def text(self) -> str:
        return {0: "", 10: "anon", 20: "auth", 30: "root"}[int(self)]


LEVELS = {level.text: level for level in Level if level}


def p2p_mask(*, delete_enabled: bool) -> int:
    """The letters that a p2p mode may hold."""
    return parse_set("JRWPA") | (DELETE if delete_enabled else NONE)


def parse(text: str) -> int:
    """A mode from its full text form, in any case and order; ValueError if it is none.

    The empty text is no mode: callers decide what its absence means.
    """
    if text in ("N", "n"):
        return NONE
    if not text:
        raise ValueError("empty access mode")
    mode = NONE
    for letter in text.upper():
        bit = _BITS.get(letter)
        if bit is None:
            raise ValueError(f"unknown access mode letter {letter!r}")
        mode |= bit
    return mode


def text(mode: int) -> str:
    return _TEXT[mode]


def delta(old: int, new: int) -> str:
    """The change from `old` to `new` as `+X-Y`; empty if there is none."""
    added, removed = new & ~old, old & ~new
    return (f"+{_TEXT[added]}" if added else "") + (f"-{_TEXT[removed]}" if removed else "")
