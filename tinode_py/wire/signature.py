"""How requests to services of one's own are signed (docs/events.md, docs/push.md).

HMAC-SHA256 of the time and the body, so that neither can be changed and an old request cannot be
sent again later.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "x-tinode-signature"


def signature(secret: str, now: int, body: bytes, former: str = "") -> str:
    """The value of `X-Tinode-Signature`; `now` in seconds since 1970.

    With a `former` secret there are two `v1`, the first by the secret of now.
    """
    signed = str(now).encode() + b"." + body
    secrets = (secret, former) if former else (secret,)
    found = (hmac.new(key.encode(), signed, hashlib.sha256).hexdigest() for key in secrets)
    return ",".join([f"t={now}", *(f"v1={digest}" for digest in found)])
