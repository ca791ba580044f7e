"""What only reads, answered without the topic's task while that has nothing to do.

A topic that nobody writes to has nothing that an answer could overtake, and its state is what
the store holds. Its task, woken for a page, would do the same as is done here, at twice the
cost (docs/decisions/0031). A page of history with nothing else is read and sent straight: what
a {get} may also ask for is not gone through.
"""

from __future__ import annotations

import trio

from ..core import fitting, pages
from ..core.events import Asked
from ..core.me import MeState
from ..errors import StoreError
from ..wire.codec import encode
from .emission import PIECE, Emission, page_frames
from .link import Link
from .rules import Item
from .runner import Runner


def knows_agent(me: Runner, user_agent: str) -> bool:
    """Whether `me` has this for the device that its user is active with, so that its task, were
    it told again, would find nothing to do.
    """
    return me.is_idle and isinstance(me.state, MeState) and me.state.user_agent == user_agent


async def answered_while_idle(runner: Runner, asked: Asked, link: Link) -> bool:
    """Answer a {get} of an attached session, for that session's task; False, and nothing was
    done, where that is for the topic's own task. No checkpoint where the store needs none, but
    after a page of many bytes.
    """
    if link.sid not in runner.links or not runner.is_idle:
        return False
    page = runner.rules.alone(runner.state, asked)
    if page is not None:
        return await _page_sent(runner, page, asked, link)
    return runner.rules.is_brief(asked) and await _decided(runner, Item(asked, link))


async def _page_sent(runner: Runner, page: pages.Alone, asked: Asked, link: Link) -> bool:
    turn, hub = runner.turn, runner.hub
    try:
        found = await runner.store.fetch(page.query)
    except StoreError:
        return False  # if it is no better there, the topic's task says so
    if turn != runner.turn or not runner.is_idle:
        return False  # the facts may be older than what was sent meanwhile
    env = hub.env()
    messages = fitting.messages(found, env)
    if not messages:
        return False  # the numbers were given out, and all of them are deleted
    answer = pages.delivered(asked, messages, env)
    frames = page_frames(messages, asked.named, link.form, reader=page.reader)
    link.outlet.push(frames + encode(answer, link.form))  # in one piece: nothing comes in between
    hub.tally.answered(answer.code)
    if len(frames) > PIECE:
        await trio.lowlevel.checkpoint()
    return True


async def _decided(runner: Runner, item: Item) -> bool:
    """By the rules for any request, of which the effects are carried out here."""
    turn = runner.turn
    decision = await runner.decide(item)
    if turn != runner.turn or not runner.is_idle:
        return False
    emission = Emission(None)
    for effect in decision.effects:
        runner.carry_out(effect, item, emission)
    await emission.flush()
    return True
