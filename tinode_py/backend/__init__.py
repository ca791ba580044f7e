"""A back end's client of the business API (`/v1`), on Trio and blocking.

    async with Backend("http://127.0.0.1:6060", key) as backend:
        await backend.send_message("hello", user="ext:4711")
        async for event in backend.events(after=0):
            ...

Each request of `schema/openapi.json` is a method under its name there (`sendMessage` is
`send_message`); `all_users` and the like give the rows of all pages. `calls` holds the classes
that they take and give. `BlockingBackend` has the same methods without `await`. `Verifier` looks
at what webhooks post.
"""

from __future__ import annotations

from ..client.positions import FilePositions, MemoryPositions, Positions
from . import calls
from .blocking_client import BlockingBackend
from .blocking_events import BlockingEventStream
from .calls.messages import Send
from .errors import (
    AgainstRules,
    BackendError,
    BadRequest,
    Conflict,
    FieldError,
    Forbidden,
    Nonsense,
    NotFound,
    Problem,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from .events import Delivery, Event, StoredMessage
from .exchange import Terms
from .progress import BlockingPositions
from .trio_client import Backend
from .trio_events import EventStream
from .webhooks import BadSignature, Verifier

__all__ = [
    "AgainstRules",
    "Backend",
    "BackendError",
    "BadRequest",
    "BadSignature",
    "BlockingBackend",
    "BlockingEventStream",
    "BlockingPositions",
    "Conflict",
    "Delivery",
    "Event",
    "EventStream",
    "FieldError",
    "FilePositions",
    "Forbidden",
    "MemoryPositions",
    "Nonsense",
    "NotFound",
    "Positions",
    "Problem",
    "Send",
    "StoredMessage",
    "Terms",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Verifier",
    "calls",
]
