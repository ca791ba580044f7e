"""Letters posted to a service of the operator's own, for instance one that sends short messages."""

from __future__ import annotations

import attrs
import httpx

from .base import Letter

TIMEOUT = 10.0  # seconds


@attrs.frozen
class Hook:
    """Posts each letter as a JSON object: method, address, code, purpose, language."""

    url: str

    async def bring(self, letter: Letter) -> None:
        """OSError if the service does not answer with success."""
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=False) as client:
                answer = await client.post(self.url, json=attrs.asdict(letter))
        except httpx.HTTPError as error:
            raise OSError(f"{type(error).__name__}") from error
        if not answer.is_success:
            raise OSError(f"answered {answer.status_code}")
