"""API keys: 24 bytes that a salt validates, or any text that the operator listed.

Not a secret and no protection: every client carries one in the open. It tells our clients
from strangers who guess addresses.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import parse_qs

_FORM = re.compile(r"[A-Za-z0-9_-]{32}")
_VERSION = 1
_SIGNED = 8  # bytes before the signature
_USUAL = 200  # characters of a query: longer ones are not remembered


def make_key(salt: bytes, app_id: int = 1, sequence: int = 1, root: bool = False) -> str:
    """A key that `salt` validates: 32 characters of base64url."""
    signed = struct.pack("<BIHB", _VERSION, app_id, sequence, root)
    return base64.urlsafe_b64encode(signed + _signature(salt, signed)).decode("ascii")


def _signature(salt: bytes, signed: bytes) -> bytes:
    return hmac.digest(salt, signed, "md5")


def _decoded(salt: str) -> bytes:
    try:
        return base64.b64decode(salt, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None


class ApiKeys:
    """The keys that are valid here: signed with `salt` (empty: none is), or one of `listed`.

    `former` is a salt that was replaced, and until when its keys are valid, too.
    Raises ValueError if `salt` is not base64.
    """

    def __init__(
        self,
        salt: str,
        listed: Iterable[str] = (),
        former: tuple[str, int] = ("", 0),
        now: Callable[[], int] = lambda: 0,
    ) -> None:
        self.now = now
        self._salt = _decoded(salt)
        self._former, self._until = _decoded(former[0]), former[1]
        self._listed = tuple(key.encode() for key in listed)

    def become(self, other: ApiKeys) -> None:
        """Let in whom `other` lets in, and nobody else."""
        self._salt, self._listed = other._salt, other._listed
        self._former, self._until = other._former, other._until

    def make(self) -> str:
        """A key that is valid here, as long as there is a salt."""
        return make_key(self._salt)

    def valid(self, key: str) -> bool:
        """Whether `key` opens the door; compared in constant time."""
        given = key.encode(errors="replace")
        listed = [hmac.compare_digest(given, known) for known in self._listed]
        former = self._former if self.now() < self._until else b""
        return any(listed) or _signed(key, self._salt) or _signed(key, former)


@functools.lru_cache(maxsize=64)  # clients of one kind show the same key, at every connection
def _signed(key: str, salt: bytes) -> bool:
    if not salt or not _FORM.fullmatch(key):
        return False
    raw = base64.urlsafe_b64decode(key)
    expected = _signature(salt, raw[:_SIGNED])
    return hmac.compare_digest(raw[_SIGNED:], expected) and raw[0] == _VERSION


def find_key(header: str, query: str, form: Mapping[str, str], cookies: str) -> str:
    """The key of a request: the first that is not empty of header, query, form and cookie."""
    return header or named(query, "apikey") or form.get("apikey", "") or _cookie(cookies)


def named(query: str, name: str) -> str:
    """The first value that a query has under a name; "" if it has none."""
    found = _remembered(query) if len(query) <= _USUAL else _values(query)
    return found.get(name, "")


def _values(query: str) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(query, errors="replace").items()}


_remembered = functools.lru_cache(maxsize=64)(_values)


def _cookie(cookies: str) -> str:
    for pair in re.split("[;,]", cookies):
        name, _, value = pair.strip().partition("=")
        if name == "apikey" and value:
            return value.strip('"')
    return ""
