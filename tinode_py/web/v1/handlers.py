"""What carries out each request, by the operation's id."""

from __future__ import annotations

from collections.abc import Mapping

from . import events, keys, sending, webhooks
from .backend import Handler

HANDLERS: Mapping[str, Handler] = {
    **keys.HANDLERS,
    **sending.HANDLERS,
    **events.HANDLERS,
    **webhooks.HANDLERS,
}
