"""What carries out each request, by the operation's id."""

from __future__ import annotations

from collections.abc import Mapping

from . import (
    audit,
    broadcasting,
    events,
    history,
    keys,
    later,
    own,
    presence,
    retention,
    rooms,
    sending,
    tickets,
    topics,
    users,
    webhooks,
)
from .backend import Handler

HANDLERS: Mapping[str, Handler] = {
    **keys.HANDLERS,
    **sending.HANDLERS,
    **events.HANDLERS,
    **webhooks.HANDLERS,
    **history.HANDLERS,
    **users.HANDLERS,
    **presence.HANDLERS,
    **topics.HANDLERS,
    **own.HANDLERS,
    **retention.HANDLERS,
    **rooms.HANDLERS,
    **tickets.HANDLERS,
    **later.HANDLERS,
    **broadcasting.HANDLERS,
    **audit.HANDLERS,
}
