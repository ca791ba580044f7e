"""Hashes of passwords: argon2id, with its cost as arguments. Blocks for one hash.

Hashes made by bcrypt, of accounts that came from another server, are verified as they are.
"""

from __future__ import annotations

import argon2
import bcrypt
from argon2.exceptions import InvalidHashError, VerifyMismatchError


def is_foreign(encoded: str) -> bool:
    """Whether a hash is of another kind than those made here: to be replaced when it can be."""
    return encoded.startswith("$2")


class Argon2:
    """Encodes and verifies passwords. Safe to use in several threads.

    `memory` is in KiB. Making it costs one hash. Old hashes stay valid at another cost: an
    encoded hash names its own.
    """

    def __init__(self, *, memory: int = 19456, passes: int = 2) -> None:
        self._hasher = argon2.PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1)
        self._nobody = self._hasher.hash("")  # what an unknown login is verified against

    def encode(self, password: str) -> str:
        """A salted hash in the PHC text form."""
        return self._hasher.hash(password)

    def verify(self, password: str, encoded: str | None) -> bool:
        """Whether the password is right, in constant time.

        Without a hash it costs as much, and is False.
        """
        if encoded and is_foreign(encoded):
            return _bcrypt_verifies(password, encoded)
        try:
            return self._hasher.verify(encoded or self._nobody, password) and bool(encoded)
        except (VerifyMismatchError, InvalidHashError):
            return False


def _bcrypt_verifies(password: str, encoded: str) -> bool:
    try:
        return bcrypt.checkpw(password.encode(), encoded.encode())
    except ValueError:  # a damaged hash, or more than bcrypt's 72 bytes
        return False
