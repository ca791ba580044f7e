"""What is done in place of an item that a topic's task cannot serve."""

from __future__ import annotations

from typing import Any

from ..core.decision import Decision, Env, ctrl
from ..core.effects import Detach, Reply
from ..core.events import Asked, Gone, NewLogin, PublishIs
from ..errors import INTERNAL, UNAVAILABLE, Answer
from ..wire.client_packets import Note
from .rules import Item


def refusal(env: Env, item: Item, answer: Answer, params: Any = None) -> Decision:
    """Its sender is told, and a session that has ended is detached all the same."""
    if isinstance(item.event, Gone):
        return Decision(effects=tuple(map(Detach, item.event.sids)))
    asked = item.event.asked if isinstance(item.event, NewLogin | PublishIs) else item.event
    if not isinstance(asked, Asked) or item.link is None:
        return Decision()
    if answer in (INTERNAL, UNAVAILABLE) and isinstance(asked.request, Note):
        return Decision()  # nobody waits for an answer to a note
    packet = ctrl(env, answer, asked, params=params)
    return Decision(effects=(Reply(item.link.sid, packet),))
