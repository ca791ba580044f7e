"""Who is told on `me`, on another node, of what is published in a group.

A message goes to members who are named once, and meant by a number from then on: so its cost does
not grow with them. Which of them have a session that has not got the message anyway, only the
node of their `me` knows; it looks again when somebody has come or gone.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..core.events import Deliver
from ..live.fanout import Afar, OnMe
from ..wire.server_packets import Pres
from .protocol import Audience, Message, ToldUsers, Word

FEW = 4  # members whose names are as short as a number
MOST = 100_000  # names that another node is asked to keep


@attrs.define(eq=False)
class _Named:
    no: int
    them: Afar


@attrs.define(eq=False)
class Named:
    """What has been named to another node over one link. The oldest is forgotten on both sides
    when there are more than `most` names.

    `tell` sends what must not be missing, `mention` what may be; both say whether it was sent.
    """

    tell: Callable[[Message], bool]
    mention: Callable[[Message], bool]
    most: int = MOST
    _last: int = 0
    _size: int = 0  # names
    _known: dict[str, _Named] = attrs.field(factory=dict)  # by what they call the topic

    def word(self, them: Afar, packet: Pres) -> bool:
        """Tell members of one group of a message."""
        if len(them.users) <= FEW or len(them.users) > self.most:
            return self.mention(ToldUsers(them.users, Deliver(packet, them.here)))
        known = self._known.get(them.address)
        if known is None or known.them != them:
            known = self._name(them, known)
            if known is None:
                return False
        return self.mention(Word(known.no, packet))

    def _name(self, them: Afar, known: _Named | None) -> _Named | None:
        if known is not None:
            self._drop(known)
        while self._size + len(them.users) > self.most:
            oldest = next(iter(self._known.values()))
            self._drop(oldest)
            if not self.tell(Audience(oldest.no)):
                return None
        if known is None:
            self._last += 1
        named = _Named(known.no if known else self._last, them)
        if not self.tell(Audience(named.no, them.users, them.here)):
            return None
        self._known[them.address] = named
        self._size += len(them.users)
        return named

    def _drop(self, named: _Named) -> None:
        del self._known[named.them.address]
        self._size -= len(named.them.users)


@attrs.define(eq=False)
class _Heard:
    audience: Audience
    needing: tuple[str, ...] = ()
    version: int = -1  # of `OnMe`, as of which they need it


@attrs.define(eq=False)
class Heard:
    """What another node has named over one link. It is to keep to `most` names itself; whoever
    does not has the oldest forgotten.
    """

    most: int = MOST
    _size: int = 0  # names
    _known: dict[int, _Heard] = attrs.field(factory=dict)

    def take(self, audience: Audience) -> None:
        self._forget(audience.no)
        if not audience.users or len(audience.users) > self.most:
            return
        while self._size + len(audience.users) > self.most:
            self._forget(next(iter(self._known)))
        self._known[audience.no] = _Heard(audience)
        self._size += len(audience.users)

    def _forget(self, no: int) -> None:
        heard = self._known.pop(no, None)
        if heard is not None:
            self._size -= len(heard.audience.users)

    def needing(self, no: int, on_me: OnMe) -> tuple[tuple[str, ...], frozenset[str]]:
        """Those who have a session on a `me` of this node that has not got the message, and the
        sessions that have. Nobody for a number that means nothing.
        """
        heard = self._known.get(no)
        if heard is None:
            return (), frozenset()
        skip = heard.audience.skip
        if heard.version != on_me.version:
            heard.version = on_me.version
            heard.needing = on_me.needing(heard.audience.users, skip)
        return heard.needing, skip
