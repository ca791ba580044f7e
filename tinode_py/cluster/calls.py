"""Questions that nodes ask each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import trio

from ..errors import UNREACHABLE, Answer, Refused
from . import protocol
from .protocol import Message


@attrs.define(eq=False)
class _Asked:
    answered: trio.Event = attrs.field(factory=trio.Event)
    value: Any = None
    error: Refused | None = None


@attrs.define(eq=False)
class Calls:
    """The questions asked of one other node. `send` gives it a message; False if that cannot be."""

    send: Callable[[Message], bool]
    _open: dict[int, _Asked] = attrs.field(factory=dict)
    _last: int = 0

    async def ask(self, name: str, **arguments: Any) -> Any:
        """The answer. Refused with 502 if the link is lost or takes no more, or as the other
        node refuses.
        """
        self._last += 1
        number, asked = self._last, _Asked()
        if not self.send(protocol.Call(number, name, arguments)):
            raise Refused(UNREACHABLE)
        self._open[number] = asked
        try:
            await asked.answered.wait()
        finally:
            self._open.pop(number, None)
        if asked.error is not None:
            raise asked.error
        return asked.value

    def answered(self, message: protocol.Result | protocol.Fault) -> None:
        """Take an answer. Nobody may wait for it any more."""
        asked = self._open.get(message.no)
        if asked is None:
            return
        if isinstance(message, protocol.Result):
            asked.value = message.value
        else:
            asked.error = Refused(Answer(message.code, message.text))
        asked.answered.set()

    def lost(self) -> None:
        """The link is lost: nothing is answered any more."""
        for asked in self._open.values():
            asked.error = Refused(UNREACHABLE)
            asked.answered.set()
