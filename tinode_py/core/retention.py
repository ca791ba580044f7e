"""Messages that a topic keeps no longer: deleted for all, as by {del msg}, some at a time.

Those who are here, and those on `me`, hear of the ranges; who was away finds them in
{get del}, and each member in his inbox.
"""

from __future__ import annotations

from itertools import takewhile

from ..access import READ
from ..changes import DeleteMessages
from ..queries import OldestIn
from ..records import Range
from ..wire.server_packets import Pres
from . import inbox, messages, ranges
from .decision import NOTHING, Decision, Env, Facts
from .events import Expire
from .state import TopicState

AT_ONCE = 256  # messages of one deletion


def oldest(state: TopicState) -> OldestIn:
    return OldestIn(state.name, AT_ONCE)


def expire(state: TopicState, event: Expire, facts: Facts, env: Env) -> Decision:
    """Delete the oldest messages that are from before `event.before`; maybe not all of them.

    A message goes only if all before it are as old: numbers are in the order of times.
    """
    if state.topic is None:
        return NOTHING
    rows = facts[oldest(state)]
    old = [seq for seq, _ in takewhile(lambda row: row[1] < event.before, rows)]
    if not old:
        return NOTHING
    gone = (Range(old[0], old[-1] + 1),)
    delid = state.record.delid + 1
    change = DeleteMessages(state.name, delid, "", gone, env.now)
    pres = Pres(topic=state.name, what="del", clear=delid, delseq=ranges.to_wire(gone))
    effects = (
        *messages.deleted_here(state, pres, "", hard=True),
        *messages.deleted_on_me(state, pres, "", hard=True),
    )
    users = tuple(sub.user for sub in state.members() if sub.mode & READ)
    told = {"clear": delid, "delseq": messages.as_json(gone)}
    return inbox.with_notices(Decision((change,), effects), state, users, "del", env, **told)
