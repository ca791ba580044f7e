"""What a client's call raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TIMEOUT = 504
DISCONNECTED = 408


class ClientError(Exception):
    """A request failed: the server refused it, did not answer in time (504), or is gone (408)."""

    def __init__(self, code: int, text: str, params: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.params = dict(params or {})
