"""Text as people count it: in grapheme clusters, by the rules of Unicode (UAX #29).

Positions in Drafty count these. The rule for Indic conjuncts (GB9c, of Unicode 15.1) is left
out, as older segmenters do. Costs about a microsecond per character beyond ASCII: callers
bound the text.
"""

from __future__ import annotations

import enum
import unicodedata
from bisect import bisect_right


class _Class(enum.Enum):
    OTHER = 0
    CONTROL = 1
    EXTEND = 2  # also spacing marks: neither is cut off from what it follows
    JOINER = 3
    PREPEND = 4
    REGIONAL = 5
    PICTURE = 6
    HANGUL_L = 7
    HANGUL_V = 8
    HANGUL_T = 9


_RANGES: tuple[tuple[_Class, str], ...] = (
    (_Class.JOINER, "200D"),
    (_Class.EXTEND, "200C 0E33 0EB3 FF9E-FF9F 1F3FB-1F3FF E0020-E007F"),
    (
        _Class.PREPEND,
        "0600-0605 06DD 070F 0890-0891 08E2 0D4E 110BD 110CD 111C2-111C3 1193F 11941 11A3A"
        " 11A84-11A89 11D46",
    ),
    (_Class.REGIONAL, "1F1E6-1F1FF"),
    (_Class.HANGUL_L, "1100-115F A960-A97C"),
    (_Class.HANGUL_V, "1160-11A7 D7B0-D7C6"),
    (_Class.HANGUL_T, "11A8-11FF D7CB-D7FB"),
    (
        _Class.OTHER,  # marks that Unicode lets stand alone
        "102B-102C 1038 1062-1064 1067-106D 1083 1087-108C 108F 109A-109C 1A61 1A63-1A64 AA7B"
        " AA7D 11720-11721",
    ),
    (
        _Class.PICTURE,
        "A9 AE 203C 2049 2122 2139 2194-2199 21A9-21AA 231A-231B 2328 2388 23CF 23E9-23F3"
        " 23F8-23FA 24C2 25AA-25AB 25B6 25C0 25FB-25FE 2600-2605 2607-2612 2614-2685 2690-2705"
        " 2708-2712 2714 2716 271D 2721 2728 2733-2734 2744 2747 274C 274E 2753-2755 2757"
        " 2763-2767 2795-2797 27A1 27B0 27BF 2934-2935 2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D"
        " 3297 3299 1F000-1F0FF 1F10D-1F10F 1F12F 1F16C-1F171 1F17E-1F17F 1F18E 1F191-1F19A"
        " 1F1AD-1F1E5 1F201-1F20F 1F21A 1F22F 1F232-1F23A 1F23C-1F23F 1F249-1F3FA 1F400-1F53D"
        " 1F546-1F64F 1F680-1F6FF 1F774-1F77F 1F7D5-1F7FF 1F80C-1F80F 1F848-1F84F 1F85A-1F85F"
        " 1F888-1F88F 1F8AE-1F8FF 1F90C-1F93A 1F93C-1F945 1F947-1FAFF 1FC00-1FFFD",
    ),
)


def _spread() -> tuple[tuple[int, int, _Class], ...]:
    found = []
    for kind, text in _RANGES:
        for item in text.split():
            first, _, last = item.partition("-")
            found.append((int(first, 16), int(last or first, 16), kind))
    return tuple(sorted(found, key=lambda row: row[0]))


_TABLE = _spread()
_FIRSTS = tuple(row[0] for row in _TABLE)
_CONTROLS = frozenset({"Cc", "Cf", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me", "Mc"})
_SYLLABLES = range(0xAC00, 0xD7A4)
_L, _V, _T = _Class.HANGUL_L, _Class.HANGUL_V, _Class.HANGUL_T


def _class_of(char: str) -> _Class:
    code = ord(char)
    if 0xAE < code < 0x300 or 0x20 <= code < 0x7F:
        return _Class.OTHER
    at = bisect_right(_FIRSTS, code) - 1
    if at >= 0 and code <= _TABLE[at][1]:
        return _TABLE[at][2]
    category = unicodedata.category(char)
    if category in _MARKS:
        return _Class.EXTEND
    return _Class.CONTROL if category in _CONTROLS else _Class.OTHER


def _hangul_goes_on(before: str, left: _Class, right: _Class) -> bool:
    """Whether a syllable goes on; `left` and `right` as by `_class_of`."""
    syllable = ord(before) in _SYLLABLES
    if right is _T:
        return syllable or left in (_V, _T)
    if right is _V:
        return left in (_L, _V) or (syllable and (ord(before) - 0xAC00) % 28 == 0)
    return False


def split(text: str) -> list[str]:
    """The grapheme clusters of a text; joined they are the text again."""
    if text.isascii() and "\r" not in text:
        return list(text)
    found: list[str] = []
    start, flags = 0, 0
    picture = False  # the cluster is a picture, and marks
    left = _class_of(text[0])
    for at in range(1, len(text)):
        right = _class_of(text[at])
        picture = left is _Class.PICTURE or (picture and left in (_Class.EXTEND, _Class.JOINER))
        flags = flags + 1 if left is _Class.REGIONAL else 0
        if not _goes_on(text, at, left, right, picture=picture, odd=flags % 2 == 1):
            found.append(text[start:at])
            start, picture = at, False
        picture = picture and left is not _Class.JOINER
        left = right
    found.append(text[start:])
    return found


def _goes_on(text: str, at: int, left: _Class, right: _Class, *, picture: bool, odd: bool) -> bool:
    """Whether the character at `at` belongs to the cluster before it."""
    before, char = text[at - 1], text[at]
    if before == "\r" and char == "\n":
        return True
    if _Class.CONTROL in (left, right):
        return False
    if right in (_Class.EXTEND, _Class.JOINER) or left is _Class.PREPEND:
        return True
    if left is _Class.JOINER and right is _Class.PICTURE:
        return picture
    if left is right is _Class.REGIONAL:
        return odd
    if 0xAC00 <= ord(char) < 0xD7A4 or right is _L:
        return left is _L
    return _hangul_goes_on(before, left, right)
