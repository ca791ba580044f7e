"""Whether a request comes from the server: the signature of webhooks, and what they bring.

The same signature is on what is posted before a message is stored, and on notifications.
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Mapping, Sequence

from ..wire.signature import HEADER, signature
from .errors import BackendError
from .events import Delivery, delivery_of

TOLERANCE = 300.0  # seconds
_LONGEST = 1024  # characters of the header
_TIME = re.compile(r"[0-9]{1,12}")


class BadSignature(BackendError):
    """The request is not from the server, or not from now; the text says which."""


class Verifier:
    """Verifies requests with the secret of a webhook.

        delivery = Verifier(secret).delivery(request.headers, request.body)

    `secret`: several while one takes the place of another. `tolerance`: seconds by which the time
    of a request may differ from ours; an older one may be a replay. Within that time the ids of
    events tell: pass over what is not above the last one you took. `now`: seconds since 1970.
    """

    def __init__(
        self,
        secret: str | Sequence[str],
        *,
        tolerance: float = TOLERANCE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = (secret,) if isinstance(secret, str) else tuple(secret)
        if not self._secrets or not all(self._secrets):
            raise ValueError("an empty secret verifies nothing")
        self._tolerance = tolerance
        self._now = now

    def delivery(self, headers: Mapping[str, str], body: bytes) -> Delivery:
        """The events of a webhook's request.

        `headers`: their names in any case. BadSignature if they do not fit the body; Nonsense if
        the body, signed as it is, is no delivery.
        """
        self.verify(_header(headers), body)
        return delivery_of(body)

    def verify(self, header: str, body: bytes) -> None:
        """BadSignature unless `X-Tinode-Signature` fits the body, and is of now.

        `body`: the bytes as they came, before anybody has parsed them. The comparison takes the
        same time whatever was sent.
        """
        if not isinstance(body, bytes):
            raise TypeError("the body must be the bytes as they came")
        at, shown = _parts(header)
        made = [signature(secret, at, body).partition(",v1=")[2] for secret in self._secrets]
        fits = [hmac.compare_digest(one.encode(), it.encode()) for one in made for it in shown]
        if not any(fits):
            raise BadSignature("the signature does not fit: another secret, or another body")
        age = self._now() - at
        if age > self._tolerance:
            raise BadSignature(f"signed {age:.0f} seconds ago: too old, or sent again")
        if -age > self._tolerance:
            raise BadSignature(f"signed {-age:.0f} seconds ahead of this clock")


def _header(headers: Mapping[str, str]) -> str:
    for name, value in headers.items():
        if name.lower() == HEADER:
            return value
    raise BadSignature("there is no X-Tinode-Signature")


def _parts(header: str) -> tuple[int, list[str]]:
    """The time, and the signatures of version 1."""
    if len(header) > _LONGEST:
        raise BadSignature("X-Tinode-Signature is too long")
    pairs = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in pairs if name == "t"]
    shown = [value for name, _, value in pairs if name == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not shown:
        raise BadSignature("X-Tinode-Signature is not t=…,v1=…")
    return int(times[0]), shown
