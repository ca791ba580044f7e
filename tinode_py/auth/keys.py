"""Keys of the business API: `tnk_`, a public id, a full stop, 32 random bytes in base64url.

Only a SHA-256 of the random bytes is kept: they cannot be guessed, so no slow hash is needed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Literal, get_args

import attrs

from .. import ids
from ..records import ApiKey

PREFIX = "tnk_"
_SECRET = 32  # bytes

Scope = Literal[
    "audit:read",
    "broadcast:send",
    "events:read",
    "keys:write",
    "messages:read",
    "messages:send",
    "messages:write",
    "rooms:read",
    "rooms:write",
    "server:read",
    "tickets:write",
    "topics:read",
    "topics:write",
    "users:read",
    "users:write",
    "webhooks:write",
]
SCOPES: tuple[str, ...] = get_args(Scope)


@attrs.frozen
class WantedKey:
    """What a key is to be good for; see `records.ApiKey`."""

    name: str
    scopes: tuple[str, ...]
    topics: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    rate: int = 0


def make_key(
    wanted: WantedKey, random_bytes: Callable[[int], bytes], now: int
) -> tuple[str, ApiKey]:
    """The key as its owner writes it, which nobody can read again, and what is kept of it."""
    ident = ids.new_body(random_bytes)
    secret = base64.urlsafe_b64encode(random_bytes(_SECRET)).decode("ascii").rstrip("=")
    scopes = tuple(sorted(set(wanted.scopes)))
    row = ApiKey(
        ident, wanted.name, _digest(secret), scopes, wanted.topics, wanted.tags, wanted.rate, now
    )
    return f"{PREFIX}{ident}.{secret}", row


def id_of(key: str) -> str:
    """The public part of what somebody shows as a key, "" if it has not the form of one."""
    ident, dot, _ = key.removeprefix(PREFIX).partition(".")
    return ident if key.startswith(PREFIX) and dot and ids.is_body(ident) else ""


def rotated(
    row: ApiKey, random_bytes: Callable[[int], bytes], now: int, grace: int
) -> tuple[str, ApiKey]:
    """The key with another secret, and what is kept of it. The one of until now is good for
    `grace` milliseconds more; one that was replaced before it ends at once.
    """
    secret = base64.urlsafe_b64encode(random_bytes(_SECRET)).decode("ascii").rstrip("=")
    new = attrs.evolve(row, digest=_digest(secret), former=row.digest, former_until=now + grace)
    return f"{PREFIX}{row.id}.{secret}", new


def fits(key: str, row: ApiKey, now: int) -> bool:
    """Whether `key` is the one of which `row` was kept, and in force at `now`."""
    digest = _digest(key.partition(".")[2])
    current = hmac.compare_digest(digest, row.digest)
    former = hmac.compare_digest(digest, row.former) and now < row.former_until
    return (current or former) and not row.revoked


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
