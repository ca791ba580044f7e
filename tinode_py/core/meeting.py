"""What the sessions on `me` should have been told, after something that they did not hear.

Notices get lost when nodes and links do. What is true is known all the same: who is online, and
what was said in conversations. Here it is held against what the sessions were told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..access import PRES, READ
from ..queries import ContactsOf
from ..wire.server_packets import Pres
from . import me
from .decision import Env, Facts
from .effects import Broadcast, Effect, Line, Tell, Told
from .events import Presence
from .me import MeState, to_sessions


def _is_online(line: Line, env: Env) -> bool:
    return env.online(line.topic if me.is_group(line) else line.peer)


def returned(state: MeState, sid: str, shown: Collection[str], env: Env) -> Iterator[Effect]:
    """A session comes back from where `me` was before. `shown`: the contacts that it was told
    are online. It hears of those of which that is not so any more, or is so by now.
    """
    if not state.mode & PRES:
        return
    for line in state.lines.values():
        if line.told == (line.topic in shown):
            continue
        on = Pres(topic="me", what="on", src=line.address)
        if line.told:
            yield Broadcast(on, (sid,))
        elif line.mode & PRES and _is_online(line, env):
            yield Told(line.topic, True)
            yield from to_sessions(state, on, frozenset({sid}))
        else:
            yield Broadcast(Pres(topic="me", what="off", src=line.address), (sid,))


def meet_again(state: MeState, env: Env) -> Iterator[Effect]:
    """Contacts whose coming or going may not have been heard here, and groups."""
    for line in state.lines.values():
        if line.told and not _is_online(line, env):
            yield from me.contact_off(state, line)
        elif me.is_group(line) and not line.address.startswith("chn") and _is_online(line, env):
            yield from me.contact_on(state, line)
    if state.online:
        for line in state.peers():
            if not line.told and env.online(line.peer):
                yield Tell(line.peer, Presence(state.name, "on", state.user_agent, ask=True))


def recheck(state: MeState, facts: Facts) -> list[Effect]:
    """Tell the sessions again of every conversation with something that was not received. Who
    has heard of it already takes no harm.
    """
    effects: list[Effect] = []
    if state.user is None or not state.mode & PRES:
        return effects
    for contact in facts[ContactsOf(state.name)]:
        sub = contact.subscription
        line = state.lines.get(contact.topic.name)
        if line is None or sub.mode & (READ | PRES) != READ | PRES:
            continue
        if contact.topic.seq > max(sub.recv, sub.read):
            pres = Pres(topic="me", what="msg", src=line.address, seq=contact.topic.seq)
            effects += to_sessions(state, pres)
    return effects
