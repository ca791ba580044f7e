"""What only reads, answered without the topic's task while that has nothing to do.

A topic that nobody writes to has nothing that an answer could overtake, and its state is what
the store holds. Its task, woken for a page, would do the same as is done here, at twice the
cost (docs/decisions/0031).
"""

from __future__ import annotations

from .emission import Emission
from .rules import Item
from .runner import Runner


async def answered_while_idle(runner: Runner, item: Item) -> bool:
    """Answer a request of an attached session, for that session's task; False, and nothing was
    done, where that is for the topic's own task. No checkpoint where the store needs none.
    """
    link = item.link
    if link is None or link.sid not in runner.links or not runner.rules.is_brief(item.event):
        return False
    if not runner.is_idle:
        return False
    turn = runner.turn
    decision = await runner.decide(item)
    if turn != runner.turn or not runner.is_idle:
        return False  # the facts may be older than what was sent meanwhile
    emission = Emission(None)
    for effect in decision.effects:
        runner.carry_out(effect, item, emission)
    await emission.flush()  # in one piece: nothing comes in between
    return True
