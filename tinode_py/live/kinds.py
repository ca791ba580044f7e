"""Which rules a topic follows: by the kind that its name tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import ids
from ..core import find, me, me_topic, pages, room, state, topic
from ..core.events import Recheck
from ..core.find_state import FindState
from ..core.room_state import RoomState
from ..ids import Kind
from .fanout import FanOut
from .inbox import Inbox
from .rules import Item, Rules, gone_together
from .runner import Runner

if TYPE_CHECKING:
    from .hub import Hub

_CONVERSATION = Rules(
    topic.rows,
    topic.needs,
    topic.decide,
    topic.is_plain,
    gone_together,
    is_brief=topic.is_brief,
    alone=pages.alone,
)
_ME = Rules(
    me.rows,
    me_topic.needs,
    me_topic.decide,
    me_topic.is_plain,
    shown=me.shown,
    look=Recheck(),
)
_FIND = Rules(find.rows, find.needs, find.decide)
_ROOM = Rules(room.rows, room.needs, room.decide, room.is_plain, gone_together, stored=False)


def runner_of(hub: Hub, name: str, inbox: Inbox[Item]) -> Runner:
    """The task of a topic, which has not begun."""
    store, batch = hub.store, hub.settings.limits.batch
    match ids.kind_of(name):
        case Kind.ME:
            return Runner(me.MeState(name), _ME, inbox, store, hub, None, batch)
        case Kind.FIND:
            return Runner(FindState(name), _FIND, inbox, store, hub, None, batch)
        case Kind.ROOM:
            place = RoomState(name)
            fanout = FanOut(place)
            runner = Runner(place, _ROOM, inbox, store, hub, fanout, batch)
        case _:
            conversation = state.TopicState(name)
            fanout = FanOut(conversation, conversation)
            runner = Runner(conversation, _CONVERSATION, inbox, store, hub, fanout, batch)
    runner.links = fanout.links
    return runner
