"""One POST to a service outside, and what its answer means for a second try."""

from __future__ import annotations

from collections.abc import Mapping

from ..outbound.base import TooLong, Unanswered
from ..outbound.client import Client
from .base import PushError

# What a second try may change: the service is down, in a hurry, or was not reached in time.
_PASSING = frozenset({408, 425, 429})
LONGEST_ANSWER = 1 << 20  # bytes
LONGEST_EXCHANGE = 60.0  # seconds, however steadily bytes come


async def post(client: Client, url: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body of a good answer, or PushError. Redirections are not followed."""
    try:
        answer = await client.post(
            url, body, headers, within=LONGEST_EXCHANGE, longest=LONGEST_ANSWER
        )
    except Unanswered as error:
        raise PushError(str(error), again=not isinstance(error, TooLong)) from error
    if not answer.is_good:
        again = answer.status >= 500 or answer.status in _PASSING
        raise PushError(f"answered {answer.status}", again=again)
    return answer.body
