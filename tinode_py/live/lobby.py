"""One group that everybody joins on registration (`users.lobby`)."""

from __future__ import annotations

import logging
from collections.abc import Callable

import attrs
import msgspec

from ..access import Level
from ..core.events import Asked, Caller
from ..queries import TopicByName
from ..store.base import Store
from ..wire.client_packets import Set
from ..wire.client_parts import SetSub
from ..wire.codec import Form
from .link import Link
from .outbox import NoConnection
from .rules import Item

log = logging.getLogger(__name__)


@attrs.define
class _Refusals(NoConnection):
    """An outlet that reads the group's answer, and says in the log if somebody did not join."""

    topic: str
    user: str

    def push(self, frame: bytes) -> None:
        for line in frame.splitlines():
            ctrl = msgspec.json.decode(line).get("ctrl", {})
            if ctrl.get("code", 0) >= 400:
                self.say(f"{ctrl['code']} {ctrl['text']}")

    def say(self, why: str) -> None:
        found = {"topic": self.topic, "user": self.user}
        log.warning("somebody did not join users.lobby: %s", why, extra=found)


@attrs.frozen
class Lobby:
    """The group, as its owner invites to it: by the group's rules, its bound on members among
    them. `submit` reaches it. Who does not get in has his account all the same; the log says
    who and why.
    """

    topic: str
    store: Store
    submit: Callable[[str, Item], bool]

    async def welcome(self, user: str) -> None:
        """Invite a new user. Waits for one look into the store, not for the group."""
        refusals = _Refusals(self.topic, user)
        row = await self.store.fetch(TopicByName(self.topic))
        if row is None:
            refusals.say("there is no such group")
            return
        link = Link(f"lobby {user}", refusals)
        link.form = Form.JSON_LINE
        caller = Caller(link.sid, row.owner, Level.AUTH, row.owner, background=True)
        request = Set(topic=self.topic, sub=SetSub(user=user))
        asked = Asked(caller, request, self.topic, unseated="user")
        if not self.submit(self.topic, Item(asked, link)):
            refusals.say("too much waits for it")
