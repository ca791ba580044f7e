"""One POST to a service outside, and what its answer means for a second try."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from .base import PushError

# What a second try may change: the service is down, in a hurry, or was not reached in time.
_PASSING = frozenset({408, 425, 429})
LONGEST_ANSWER = 1 << 20  # bytes


async def post(
    client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str]
) -> bytes:
    """The body of a good answer, or PushError. Redirections are not followed."""
    try:
        async with client.stream("POST", url, content=body, headers=dict(headers)) as answer:
            code = answer.status_code
            if not 200 <= code < 300:
                again = code >= 500 or code in _PASSING
                raise PushError(f"answered {code}", again=again)
            found = bytearray()
            async for part in answer.aiter_bytes():
                found += part
                if len(found) > LONGEST_ANSWER:
                    raise PushError("the answer is too long", again=False)
            return bytes(found)
    except httpx.HTTPError as error:
        raise PushError(f"{type(error).__name__}: {error}", again=True) from error
