"""One POST to a service outside, and what its answer means for a second try."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import trio

from .base import PushError

# What a second try may change: the service is down, in a hurry, or was not reached in time.
_PASSING = frozenset({408, 425, 429})
LONGEST_ANSWER = 1 << 20  # bytes
LONGEST_EXCHANGE = 60.0  # seconds, however steadily bytes come


async def post(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str]
) -> bytes:
    """The body of a good answer, or PushError. Redirections are not followed."""
    found = bytearray()
    try:
        with trio.move_on_after(LONGEST_EXCHANGE) as scope:
            async with client.stream("POST", url, content=body, headers=dict(headers)) as answer:
                code = answer.status_code
                if not 200 <= code < 300:
                    again = code >= 500 or code in _PASSING
                    raise PushError(f"answered {code}", again=again)
                async for part in answer.aiter_bytes():
                    found += part
                    if len(found) > LONGEST_ANSWER:
                        scope.cancel()  # ends the reading in good order
                return bytes(found)
    except httpx.HTTPError as error:
        raise PushError(f"{type(error).__name__}: {error}", again=True) from error
    if len(found) > LONGEST_ANSWER:
        raise PushError("the answer is too long", again=False)
    raise PushError("the answer took too long", again=True)
