"""What people type in place of a tag: an address, a phone number (protocol notes, 9.3).

A term without a prefix that looks like one is searched for as `email:…` or `tel:…` as well, if
confirmed values of that kind become tags here. Phone numbers follow a small strict rule of our
own: a table of a few dozen countries, no list of which numbers are in use.
"""

from __future__ import annotations

import re

import attrs

from ..config import Settings
from . import credentials, tags
from .query import Terms

_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[a-z0-9-]+(\.[a-z0-9-]+)+")
_TEL = re.compile(r"\+?[(0-9][0-9().\-/ ]{5,20}")
_NOISE = re.compile(r"[().\-/ ]")
_FULL = re.compile(r"\+[1-9][0-9]{6,14}")
_REGION = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z]{4})?[-_]([A-Za-z]{2})(?:[-_.@].*)?")

# The calling code of a country, and what is dialled before a number inside of it.
_COUNTRIES = {
    **dict.fromkeys(("US", "CA"), ("1", "1")),
    **dict.fromkeys(("RU", "KZ"), ("7", "8")),
    "AR": ("54", "0"), "AT": ("43", "0"), "AU": ("61", "0"), "BD": ("880", "0"),
    "BE": ("32", "0"), "BR": ("55", "0"), "CH": ("41", "0"), "CN": ("86", "0"),
    "CZ": ("420", ""), "DE": ("49", "0"), "DK": ("45", ""), "EG": ("20", "0"),
    "ES": ("34", ""), "FI": ("358", "0"), "FR": ("33", "0"), "GB": ("44", "0"),
    "GR": ("30", ""), "HK": ("852", ""), "ID": ("62", "0"), "IE": ("353", "0"),
    "IL": ("972", "0"), "IN": ("91", "0"), "IT": ("39", ""), "JP": ("81", "0"),
    "KR": ("82", "0"), "MX": ("52", ""), "MY": ("60", "0"), "NG": ("234", "0"),
    "NL": ("31", "0"), "NO": ("47", ""), "NZ": ("64", "0"), "PH": ("63", "0"),
    "PK": ("92", "0"), "PL": ("48", ""), "PT": ("351", ""), "RO": ("40", "0"),
    "SA": ("966", "0"), "SE": ("46", "0"), "SG": ("65", ""), "TH": ("66", "0"),
    "TR": ("90", "0"), "TW": ("886", "0"), "UA": ("380", "0"), "VN": ("84", "0"),
    "ZA": ("27", "0"),
}  # fmt: skip


def country(language: str, settings: Settings) -> str:
    """Where a session is, by the region of its language; else where the server is."""
    match = _REGION.fullmatch(language.strip())
    return match[1].upper() if match else settings.tags.country.upper()


def phone(text: str, where: str) -> str:
    """A phone number as `+` and digits; "" if it is none, or its country is not known."""
    if not _TEL.fullmatch(text):
        return ""
    number = _NOISE.sub("", text)
    if number.startswith("00"):
        number = "+" + number[2:]
    if not number.startswith("+"):
        if where not in _COUNTRIES:
            return ""
        code, trunk = _COUNTRIES[where]
        number = f"+{code}{number.removeprefix(trunk) if trunk else number}"
    return number if _FULL.fullmatch(number) else ""


def rewritten(terms: Terms, where: str, settings: Settings) -> Terms:
    """The terms, each with what it may stand for. What can be no tag is left out."""
    required = (_either(term, where, settings) for either in terms.required for term in either)
    optional = (tag for term in terms.optional for tag in _either(term, where, settings))
    return attrs.evolve(
        terms,
        required=tuple(either for either in required if either),
        optional=tuple(dict.fromkeys(optional)),
    )


def _either(term: str, where: str, settings: Settings) -> tuple[str, ...]:
    """The tags that a term asks for, none if it can be none."""
    if tags.namespace(term) and not _EMAIL.fullmatch(term):
        return (term,) if tags.is_prefixed(term) else ()
    limits = settings.limits
    found = [term] if limits.min_tag_length <= len(term) <= limits.max_tag_length else []
    on = {name for name, way in credentials.methods(settings).items() if way.rules.add_to_tags}
    if "email" in on and _EMAIL.fullmatch(term):
        found.append(f"email:{term}")
    if "tel" in on and (number := phone(term, where)):
        found.append(f"tel:{number}")
    return tuple(found)


def is_masked(terms: Terms, settings: Settings) -> bool:
    """Whether a search names a namespace that nobody may search in."""
    closed = frozenset(settings.tags.masked)
    named = (*terms.optional, *(tag for either in terms.required for tag in either))
    return any(tags.namespace(tag) in closed for tag in named)
