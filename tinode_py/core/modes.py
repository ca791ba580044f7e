"""Access modes as packets carry them: reading, refusing, showing."""

from __future__ import annotations

from .. import access
from ..errors import MALFORMED, Refused
from ..records import Subscription
from ..wire.parts import Acs, DefAcs


def parse_mode(text: str) -> int:
    """A mode that a client asks for; Refused (400) if it is none."""
    try:
        return access.parse(text)
    except ValueError:
        raise Refused(MALFORMED) from None


def parse_default(text: str, default: int) -> int:
    """A default mode at creation: absent or rubbish means `default`."""
    if not text:
        return default
    try:
        return access.parse(text)
    except ValueError:
        return default


def with_approve(mode: int) -> int:
    """A default mode of an account: nobody who may do anything is without `A`."""
    return mode | access.APPROVE if mode else access.NONE


def acs(sub: Subscription) -> Acs:
    """A subscription's modes as shown to someone who may see them."""
    return show(sub.want, shown_given(sub))


def shown_given(sub: Subscription) -> int:
    """What is given, as it is shown: nobody gives anything in one's own notes, so that it is
    as much as was asked for yet.
    """
    return access.SELF | sub.mode if sub.topic.startswith("slf") else sub.given


def show(want: int, given: int) -> Acs:
    return Acs(access.text(want), access.text(given), access.text(want & given))


def show_defaults(auth: int, anon: int) -> DefAcs:
    return DefAcs(access.text(auth), access.text(anon))
