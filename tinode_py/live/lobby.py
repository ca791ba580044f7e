"""One group that everybody joins on registration (`users.lobby`)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs

from ..access import Level
from ..core.decision import Asked, Caller
from ..queries import TopicByName
from ..store.base import Store
from ..wire.packets import Set, SetSub
from .runner import Item

log = logging.getLogger(__name__)


@attrs.frozen
class Lobby:
    """The group, as its owner invites to it: by the group's rules, its bound on members among
    them. `submit` reaches it.
    """

    topic: str
    store: Store
    submit: Callable[[str, Item], bool]

    async def welcome(self, user: str) -> None:
        """Invite a new user. Waits for one look into the store, not for the group."""
        row = await self.store.fetch(TopicByName(self.topic))
        if row is None:
            log.warning("users.lobby names no group that there is", extra={"topic": self.topic})
            return
        caller = Caller("", row.owner, Level.AUTH, row.owner, background=True)
        request = Set(topic=self.topic, sub=SetSub(user=user))
        asked = Asked(caller, request, self.topic, unseated="user")
        if not self.submit(self.topic, Item(asked)):
            log.warning("the lobby is too busy, somebody did not join", extra={"user": user})
