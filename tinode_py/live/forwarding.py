"""One session's requests, on their way to topics.

What belongs here is which topic is meant, whether the session is attached there, and how much may
be unanswered.

Order. Requests to one topic are answered in their order. A {sub} is answered, with all that
it asked to get, before a later request to another topic goes out: clients that attach to `me`
and to a chat in one breath rely on it. Else requests to different topics overtake each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from ..access import Level
from ..core.events import Active, Asked, Caller
from ..errors import ATTACH_FIRST, DENIED, NOT_JOINED, UNAVAILABLE, Refused
from ..wire.client_packets import Del, Get, Leave, Note, Pub, Set, Sub
from ..wire.client_parts import Extra
from . import routing
from .hub import Hub
from .link import Link
from .person import Person
from .reading import answered_while_idle, knows_agent
from .rules import Item
from .runner import Runner


@attrs.define(eq=False)
class Forwarding:
    """From one session to topics. Only the connection's own task calls it."""

    link: Link
    hub: Hub
    person: Person
    random_bytes: Callable[[int], bytes]
    _barrier: str = ""  # the topic of an unanswered {sub}

    async def forward(
        self, request: Sub | Leave | Pub | Get | Set | Del | Note, caller: Caller,
        extra: Extra | None,
    ) -> None:  # fmt: skip
        """Hand a request to its topic, and wait while too many are unanswered. Raises Refused."""
        named = request.topic
        if isinstance(request, Pub) and not self._may_publish():
            raise Refused(DENIED)
        if isinstance(request, Note) and not routing.is_name(named, caller.user):
            return  # bad names are nobody's business
        if isinstance(request, Sub) and routing.is_new(named):
            topic = routing.new_group(self.random_bytes)
        else:
            topic = routing.routable(named, caller.user)
        if not topic:
            if not (isinstance(request, Note) and _needs_no_attachment(request)):
                raise Refused(routing.nowhere(request))
            return
        if self._barrier and self._barrier != topic:
            await self._in_turn()
        if not self._is_attached(topic):
            _check_outside(request, topic)
        if self.hub.before is not None and isinstance(request, Pub):
            request = await self.hub.vetted(caller.user, topic, request)
        attachments = extra.attachments if extra else ()
        asked = Asked(caller, request, named, attachments)
        if not (type(request) is Get and await self._answered_now(topic, asked)):
            self.submit(topic, asked)
        self._note_activity(request, caller.user)
        if isinstance(request, Sub):
            self._barrier = topic
        if self.link.unanswered >= (inflight := self.hub.settings.limits.inflight):
            await self.link.wait_unanswered(inflight - 1)

    def _may_publish(self) -> bool:
        return self.hub.settings.clients.publish or self.person.level is Level.ROOT

    async def _in_turn(self) -> None:
        """Wait for an unanswered {sub} to another topic."""
        await self.link.wait_unanswered(0)
        self._barrier = ""

    def _is_attached(self, topic: str) -> bool:
        if topic in self.link.attached:
            return True
        return self._barrier == topic and self.link.unanswered > 0

    async def _answered_now(self, topic: str, asked: Asked) -> bool:
        """Whether the answer was found without the topic's task."""
        runner = self.hub.loaded(topic) if self.hub.near else None
        return isinstance(runner, Runner) and await answered_while_idle(runner, asked, self.link)

    def submit(self, topic: str, event: Any) -> None:
        """Put an event of this session into a topic's inbox. Refused if that is full."""
        if not self.hub.submit(topic, Item(event, self.link)):
            raise Refused(UNAVAILABLE)

    def _note_activity(self, request: Any, user: str) -> None:
        """The session that is used last lends its user agent to `me` (notes, 6.4)."""
        if user not in self.link.attached or isinstance(request, Leave | Del):
            return
        if isinstance(request, Sub) and request.topic == "me":
            return
        if not self.hub.is_agent(user, self.link.sid):
            self.hub.everywhere.note_agent(user, self.link.sid)
            me, agent = self.hub.loaded(user), self.person.user_agent
            if not (isinstance(me, Runner) and knows_agent(me, agent)):
                self.link.attached[user].mark("active", Item(Active(agent)))


def _check_outside(request: Any, topic: str) -> None:
    """Refused for a request that makes no sense without being attached."""
    match request:
        case Pub() if topic != "sys":
            raise Refused(ATTACH_FIRST)
        case Leave(unsub=unsub):
            raise Refused(ATTACH_FIRST if unsub else NOT_JOINED)
        case Del(what="msg" | "sub" | "cred"):
            raise Refused(ATTACH_FIRST)
        case Note() if not _needs_no_attachment(request):
            raise Refused(ATTACH_FIRST)


def _needs_no_attachment(note: Note) -> bool:
    """A receipt, or an answer to a call."""
    answer = note.what == "call" and note.event in ("ringing", "accept", "hang-up")
    return answer or note.what == "recv"
