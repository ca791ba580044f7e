"""Codes that are sent to a person, who sends them back: made, kept as digests, compared."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

_SALT = 12  # bytes


def make(length: int, random_bytes: Callable[[int], bytes]) -> str:
    """`length` decimal digits, all equally likely but for one part in 2**24 and less."""
    number = int.from_bytes(random_bytes(length), "little")
    return str(number % 10**length).rjust(length, "0")


def fresh_salt(random_bytes: Callable[[int], bytes]) -> str:
    return random_bytes(_SALT).hex()


def digest(salt: str, code: str) -> str:
    return hashlib.sha256(f"{salt}:{code}".encode()).hexdigest()


def matches(salt: str, kept: str, code: str) -> bool:
    """Whether `code` is the one, in constant time."""
    return bool(kept) and hmac.compare_digest(digest(salt, code), kept)
