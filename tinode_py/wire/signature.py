"""How requests to services of one's own are signed (docs/events.md, docs/push.md).

HMAC-SHA256 of the time and the body, so that neither can be changed and an old request cannot be
sent again later.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "x-tinode-signature"


def signature(secret: str, now: int, body: bytes) -> str:
    """The value of `X-Tinode-Signature`; `now` in seconds since 1970."""
    signed = str(now).encode() + b"." + body
    return f"t={now},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
