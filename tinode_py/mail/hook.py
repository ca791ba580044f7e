"""Letters posted to a service of the operator's own, for instance one that sends short messages."""

from __future__ import annotations

import attrs
import msgspec

from ..outbound.base import Unanswered
from ..outbound.client import Client
from .base import Letter

TIMEOUT = 10.0  # seconds
LONGEST_ANSWER = 1 << 18  # bytes; nothing in it is looked at
HEADERS = {"content-type": "application/json"}


@attrs.frozen
class Hook:
    """Posts each letter as a JSON object: method, address, code, purpose, language."""

    url: str

    async def bring(self, letter: Letter) -> None:
        """OSError if the service does not answer with success."""
        body = msgspec.json.encode(attrs.asdict(letter))
        try:
            async with Client(TIMEOUT, 1) as client:
                answer = await client.post(
                    self.url, body, HEADERS, within=TIMEOUT, longest=LONGEST_ANSWER
                )
        except Unanswered as error:
            raise OSError(error.brief) from error
        if not answer.is_good:
            raise OSError(f"answered {answer.status}")
