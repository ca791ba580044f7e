"""The query language of `fnd` (protocol notes, 9.2 and 9.3).

A space or tab between terms means AND, a comma OR; a term beside a comma belongs to the OR
terms: `aaa bbb,ccc` asks for aaa, and for bbb or ccc. Double quotes hold a term with spaces
or commas together.
"""

from __future__ import annotations

import attrs

_SPACE = " \t"
MAX_TERMS = 64


@attrs.frozen
class Terms:
    """What a query asks for: a conjunction of alternatives, and optional terms."""

    required: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...]


class Syntax(ValueError):
    """The text is not a query."""


def parse(text: str) -> Terms | None:
    """The terms of a query; None if it asks for nothing or breaks the syntax."""
    try:
        tokens = list(_tokens(text))
    except Syntax:
        return None
    required: list[str] = []
    optional: list[str] = []
    for i, (term, before) in enumerate(tokens):
        after = tokens[i + 1][1] if i + 1 < len(tokens) else ""
        (optional if "," in (before, after) else required).append(term.lower())
    if (not required and not optional) or len(tokens) > MAX_TERMS:
        return None
    unique = tuple(dict.fromkeys(required))
    return Terms(tuple((term,) for term in unique), tuple(dict.fromkeys(optional)))


def _tokens(text: str) -> list[tuple[str, str]]:
    """Terms, each with what separates it from the term before: a space or a comma."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        separator, at = _separator(text, at)
        if at >= len(text):
            break
        term, at = _term(text, at)
        found.append((term, separator if found else ""))
    return found


def _separator(text: str, at: int) -> tuple[str, int]:
    commas = 0
    while at < len(text) and text[at] in _SPACE + ",":
        commas += text[at] == ","
        at += 1
    if commas > 1:
        raise Syntax("two commas in a row")
    return ("," if commas else " "), at


def _term(text: str, at: int) -> tuple[str, int]:
    if text[at] == '"':
        end = text.find('"', at + 1)
        if end < 0 or (end + 1 < len(text) and text[end + 1] not in _SPACE + ","):
            raise Syntax("unterminated quote")
        return text[at + 1 : end], end + 1
    end = at
    while end < len(text) and text[end] not in _SPACE + ",":
        if text[end] == '"':
            raise Syntax("quote inside a term")
        end += 1
    return text[at:end], end
