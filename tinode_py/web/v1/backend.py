"""What requests of the business API are carried out with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import msgspec
from starlette.requests import Request

from ...audit import Action, AuditEntry, command_door
from ...changes_backend import PutAudit
from ...config import Settings
from ...live.entrance import Entrance
from ...live.events import Events
from ...live.hub import Hub
from ...store.base import Store
from .access import Caller, Gate, KeyGate, OperatorGate


@attrs.frozen
class Backend:
    """The server, as handlers see it."""

    hub: Hub
    store: Store
    entrance: Entrance
    events: Events
    gate: Gate
    now: Callable[[], int]
    random_bytes: Callable[[int], bytes]

    @property
    def settings(self) -> Settings:
        """Those of now."""
        return self.hub.settings

    @classmethod
    def over(cls, hub: Hub, entrance: Entrance, events: Events) -> Backend:
        return cls._with(hub, entrance, events, KeyGate(hub.store, entrance, hub.now))

    @classmethod
    def of_operator(cls, hub: Hub, entrance: Entrance, events: Events) -> Backend:
        """For whoever owns the data folder, and needs no key."""
        gate = OperatorGate(command_door(hub.settings.server.listen))
        return cls._with(hub, entrance, events, gate)

    @classmethod
    def _with(cls, hub: Hub, entrance: Entrance, events: Events, gate: Gate) -> Backend:
        return cls(hub, hub.store, entrance, events, gate, hub.now, hub.random_bytes)


@attrs.frozen
class Call:
    """One request: who asks, and for what. `body` and `query` are of the operation's classes."""

    backend: Backend
    caller: Caller
    request: Request
    path: Mapping[str, str]
    body: Any = None
    query: Any = None

    def deed(self, action: Action, target: str = "", **detail: Any) -> tuple[PutAudit, ...]:
        """What the audit is told of this request, to be committed with what it changes; nothing
        where nobody asks (what was to be sent later).
        """
        if self.caller.by is None:
            return ()
        text = msgspec.json.encode(detail) if detail else None
        return (PutAudit(AuditEntry(self.backend.now(), self.caller.by, action, target, text)),)


# Answers an instance of the operation's answer class, None for 204, or a response.
Handler = Callable[[Call], Awaitable[Any]]
