"""All requests of the business API."""

from __future__ import annotations

from . import (
    shape_audit,
    shape_events,
    shape_messages,
    shape_rooms,
    shape_server,
    shape_topics,
    shape_users,
)
from .operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *shape_server.OPERATIONS,
    *shape_messages.OPERATIONS,
    *shape_users.OPERATIONS,
    *shape_topics.OPERATIONS,
    *shape_rooms.OPERATIONS,
    *shape_events.OPERATIONS,
    *shape_audit.OPERATIONS,
)
