"""As what somebody asks: from a session that is attached, or without one.

A back end asks over HTTP, where nobody attaches. Whoever could attach at once counts as
attached then (`Asked.unseated`), so that the rules are the same for both doors. The system may
write everywhere, and is a member nowhere.
"""

from __future__ import annotations

from ..access import JOIN
from .effects import Attached
from .events import Asked
from .state import TopicState


def seat(state: TopicState, asked: Asked) -> Attached | None:
    """The session's place in the topic, or the one that it would have; None if there is none."""
    caller = asked.caller
    item = state.attached.get(caller.sid)
    if item is not None or not asked.unseated:
        return item
    sub = state.member(caller.user)
    may = asked.unseated == "system" or (sub is not None and sub.mode & JOIN)
    return Attached(caller.sid, caller.user, caller.level) if may else None
