"""One signed POST to a service of the operator's choice, or of whoever may make webhooks.

No redirect is followed, no proxy of the environment is used, no private address is reached
unless it is allowed, no answer is read beyond a bound, and nothing takes longer than the
deadline.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import attrs

from ..outbound.base import Unanswered
from ..outbound.client import Client
from ..wire.signature import HEADER, signature
from .address import Forbidden, Network, resolved

LONGEST_ANSWER = 1 << 18  # bytes


class HookError(Exception):
    """The service did not take it. `status` is what it answered, 0 if it did not."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def new_client(allowed: Sequence[Network], timeout: float, connections: int) -> Client:
    """A client for one host."""
    return Client(timeout, connections, functools.partial(resolved, allowed=allowed))


@attrs.frozen
class Poster:
    """Posts JSON to one address. `now` is in milliseconds, `timeout` in seconds, for all of it.

    The `former` secret signs as well until `former_until` (ms).
    """

    client: Client
    url: str
    secret: str = attrs.field(repr=False)
    timeout: float
    now: Callable[[], int]
    former: str = attrs.field(default="", repr=False)
    former_until: int = 0

    async def post(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The body of a good answer (2xx), or HookError."""
        sent = {"content-type": "application/json", **headers}
        if self.secret:
            now = self.now()
            former = self.former if now < self.former_until else ""
            sent[HEADER] = signature(self.secret, now // 1000, body, former)
        try:
            answer = await self.client.post(
                self.url, body, sent, within=self.timeout, longest=LONGEST_ANSWER
            )
        except (Forbidden, Unanswered) as error:
            raise HookError(str(error)) from None
        if 300 <= answer.status < 400:
            raise HookError(f"answered {answer.status}: redirects are not followed", answer.status)
        if not answer.is_good:
            raise HookError(f"answered {answer.status}", answer.status)
        return answer.body
