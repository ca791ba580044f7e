"""Codes leave the server here: a bounded queue, and one task that hands them to couriers.

A code that could not be brought is logged and forgotten; the person asks for another one.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import trio

from ..core.effects import SendCode
from ..mail.base import Courier, Letter

log = logging.getLogger(__name__)

WAITING = 1000  # letters


class Couriers:
    """Takes codes from anywhere, without waiting; `run` brings them."""

    def __init__(self, by_method: Mapping[str, Courier]) -> None:
        self._by_method = by_method
        self._send, self._receive = trio.open_memory_channel[Letter](WAITING)
        self.dropped = 0

    def take(self, code: SendCode) -> None:
        """Queue a code; where too many wait, or nobody brings its kind, it is dropped."""
        letter = Letter(code.method, code.value, code.code, code.purpose, code.language)
        if code.method not in self._by_method:
            log.warning("nobody brings codes by %s", code.method)
            return
        try:
            self._send.send_nowait(letter)
        except trio.WouldBlock:
            self.dropped += 1
            log.warning("too many codes are waiting to be brought")

    async def run(self) -> None:
        """Bring letters, one after the other, until cancelled."""
        async for letter in self._receive:
            try:
                await self._by_method[letter.method].bring(letter)
            except (OSError, ValueError):  # smtplib's errors are OSErrors
                log.exception("a code could not be brought by %s", letter.method)
