"""Requests that a session never sees: by them it returns to a topic that has moved.

They are decided like any other. What was missed is sent as it would have come; answers are not.
"""

from __future__ import annotations

from msgspec import structs

from ..core.effects import Page, Reply
from ..core.events import Asked, Event
from ..wire.server_packets import Ctrl
from .link import Link

MISSING = "the topic has moved, and what was missed cannot be read now"


def is_quiet(event: Event) -> bool:
    return type(event) is Asked and event.quiet


def after(event: Event, then: Asked) -> Asked:
    """What is asked next, as quietly as what was asked before."""
    return structs.replace(then, quiet=True) if is_quiet(event) else then


def in_order(page: Page, event: Event) -> Page:
    """What a session has missed comes as it would have come: the oldest first."""
    return structs.replace(page, messages=page.messages[::-1]) if is_quiet(event) else page


def is_unsaid(effect: Reply, event: Event) -> bool:
    """Whether an answer is none of the session's business, which has asked nothing."""
    return type(event) is Asked and event.quiet and type(effect.packet) is Ctrl


def part(effect: Reply, link: Link) -> None:
    """Act upon an answer that is unsaid. A session that cannot have what it has missed is ended:
    it comes back and asks for it, so that no gap is silent.
    """
    if isinstance(effect.packet, Ctrl) and effect.packet.code >= 500:
        link.outlet.finish(1012, MISSING)


def say(effect: Reply, event: Event, link: Link) -> None:
    """Send an answer to the session that has asked, or act upon it."""
    if is_unsaid(effect, event):
        part(effect, link)
    else:
        link.send(effect.packet)
