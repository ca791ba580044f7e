"""Questions of other nodes, and who answers them here."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from ..errors import INTERNAL, Refused, StoreError
from . import protocol
from .protocol import Message

log = logging.getLogger(__name__)

Answerer = Callable[..., Awaitable[Any]]


@attrs.frozen
class Questions:
    """What may be asked here, by name: `answerers` are given the arguments by their names.

    An answerer raises Refused or StoreError; its answer is what a message can carry.
    """

    answerers: Mapping[str, Answerer]

    async def answer(self, call: protocol.Call, send: Callable[[Message], bool]) -> None:
        """Answer a question: with what was found out, or why not."""
        answerer = self.answerers.get(call.name)
        if answerer is None or not _fits(answerer, call.arguments):
            what = f"unknown question {call.name[:40]!r} with {sorted(call.arguments)}"
            send(protocol.Fault(call.no, 501, what[:200]))
            return
        try:
            send(protocol.Result(call.no, await answerer(**call.arguments)))
        except (Refused, StoreError) as no:
            send(protocol.Fault(call.no, no.answer.code, no.answer.text))
        except Exception:  # a bug, or an answer too long to be sent, must not cost the server
            log.exception("a question could not be answered: %s", call.name)
            send(protocol.Fault(call.no, INTERNAL.code, INTERNAL.text))


def _fits(answerer: Answerer, arguments: Mapping[str, Any]) -> bool:
    """Another version may ask for something else under the same name."""
    try:
        inspect.signature(answerer).bind(**arguments)
    except TypeError:
        return False
    return True
