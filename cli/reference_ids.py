"""Numbers of users as the reference's database holds them, and as clients know them.

Its database has the plain numbers; outside they are enciphered with XTEA under `uid_key`, so
that nobody can count them.
"""

from __future__ import annotations

import base64
import binascii
import struct

_MASK = 0xFFFFFFFF
_DELTA = 0x9E3779B9
_CYCLES = 32


class UidKey:
    """Enciphers numbers with a key of 16 bytes."""

    def __init__(self, key: str) -> None:
        """`key` in base64, as the reference's configuration has it; ValueError if it is none."""
        try:
            raw = base64.b64decode(key, validate=True)
        except binascii.Error:
            raise ValueError("not base64") from None
        if len(raw) != 16:
            raise ValueError(f"{len(raw)} bytes, not 16")
        self._key = struct.unpack(">4I", raw)

    def body(self, number: int) -> str:
        """The eleven characters that stand for a number of the database."""
        one, two = struct.unpack(">2I", struct.pack("<q", number))
        total = 0
        for _ in range(_CYCLES):
            mixed = (((two << 4) ^ (two >> 5)) + two) ^ (total + self._key[total & 3])
            one = (one + mixed) & _MASK
            total = (total + _DELTA) & _MASK
            mixed = (((one << 4) ^ (one >> 5)) + one) ^ (total + self._key[(total >> 11) & 3])
            two = (two + mixed) & _MASK
        return base64.urlsafe_b64encode(struct.pack(">2I", one, two)).decode("ascii").rstrip("=")

    def user(self, number: int | None) -> str:
        """`usr…`; empty for nobody."""
        return "usr" + self.body(number) if number else ""
