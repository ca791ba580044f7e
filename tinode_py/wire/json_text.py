"""Checks on JSON text that the JSON library does not make, or makes too late.

All of them are linear in the length of the text, and the common packet meets only a few
substring searches.
"""

from __future__ import annotations

import itertools
import json
import re

import msgspec

from .limits import Malformed, NotUtf8, WireLimits

_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Any escape; a lone surrogate is group 1. All others are matched, too, so that `\\ud800`, which
# is an escaped backslash, is passed over as a whole. No possessive quantifier: `re` of Python
# 3.11.2 and older gets groups in them wrong.
_ESCAPE = re.compile(
    rb"\\[^u]|\\u(?![dD][89a-fA-F])"
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_DIGITS = b"0123456789"
_ANY = msgspec.json.Decoder()


def checked_text(data: bytes | str, limits: WireLimits) -> bytes:
    """The packet's text as UTF-8, within size and depth, lone surrogates mended.

    Whether it is JSON remains to be seen. Raises Malformed.
    """
    text = data if isinstance(data, bytes) and data.isascii() else _utf8(data)
    if len(text) > limits.message_size:
        raise Malformed(f"larger than {limits.message_size} bytes")
    depth = limits.depth
    if len(text) > depth and text.count(b"[") + text.count(b"{") > depth:
        check_depth(text, depth)
    if b"\\" in text and _SURROGATE.search(text):
        return mended(text)
    return text


def _utf8(data: bytes | str) -> bytes:
    try:
        if isinstance(data, str):
            return data.encode()
        data.decode()
    except UnicodeError:
        raise NotUtf8("not UTF-8") from None
    return data


def check_depth(text: bytes, depth: int) -> None:
    """Raise Malformed if arrays and objects are nested deeper than `depth`."""
    brackets = _STRING.sub(b"", text).translate(None, _NOT_BRACKETS)
    deepest = max(itertools.accumulate(map(_STEP.__getitem__, brackets)), default=0)
    if deepest > depth:
        raise Malformed(f"nested deeper than {depth}")


def mended(text: bytes) -> bytes:
    """The text with each escaped lone surrogate turned into U+FFFD, otherwise byte for byte."""
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found[1] else found[0], text)


def holds_nul(text: bytes) -> bool:
    """Whether a string in this JSON text holds U+0000, which stores cut or refuse."""
    return b"\\" in text and rb"\u0000" in text and _NUL.search(text) is not None


def check_value(text: bytes) -> None:
    """Raise ValueError unless this is one JSON value all of whose numbers fit a double."""
    _ANY.decode(text)
    if len(text) > 308 and _has_long_number(text):
        # The library takes integers of any size up to 4,300 digits; a double ends at 309.
        json.loads(text, parse_int=_finite)


def _has_long_number(text: bytes) -> bool:
    """Whether 309 digits follow on each other: then one of them is at every 309th place, and
    nothing but what is around those places is looked at.
    """
    for place, byte in enumerate(text[308::309]):
        if byte in _DIGITS:
            at = 309 * place + 308
            before, after = text[at - 308 : at], text[at : at + 309]
            run = len(before) - len(before.rstrip(_DIGITS))
            run += len(after) - len(after.lstrip(_DIGITS))
            if run > 308:
                return True
    return False


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number beyond the range of a double")
    return number
