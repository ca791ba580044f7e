"""Who is told what when something about a topic changes (protocol notes, section 6).

Two routes, never both for one session: sessions attached to the topic hear of it there
(`Broadcast`), the user's other sessions hear of it on `me` (`Tell` … `Deliver`, which skips
the sessions attached here). Deliveries on `me` name the topic as that user calls it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs
from msgspec import structs

from .. import access, ids
from ..access import JOIN, PRES
from ..ids import Kind
from ..records import Subscription
from ..wire.parts import Acs
from ..wire.server_packets import Pres
from . import push
from .effects import Broadcast, Effect, Tell
from .events import ContactChanged, Deliver, Presence
from .modes import shown_given
from .state import TopicState


def dacs(old: Subscription | None, new: Subscription | None) -> Acs:
    """The change of a subscription: full strings where nothing was before, else deltas."""
    if new is None or new.deleted:
        return Acs(want="N", given="N")
    given = shown_given(new)
    if old is None or old.deleted:
        return Acs(want=access.text(new.want), given=access.text(given))
    if (old.want, old.given) == (new.want, new.given):
        return Acs()
    return Acs(want=_change(old.want, new.want), given=_change(shown_given(old), given))


def _change(old: int, new: int) -> str:
    return access.delta(old, new) if old else access.text(new)


def on_me(
    state: TopicState,
    user: str,
    pres: Pres,
    *,
    always: bool = False,
    everywhere: bool = False,
    skip_sid: str = "",
    reader: bool = False,
) -> Tell:
    """A packet for a user's sessions on `me`; `everywhere`: also for those attached here.

    `act` and `src` are dropped or translated for this receiver.
    """
    here = () if everywhere else state.attached.of(user)
    packet = attrs.evolve(
        pres,
        topic="me",
        src=state.address(user, reader=reader),
        act="" if pres.act == user else pres.act,
        tgt="" if pres.tgt == user else pres.tgt,
    )
    skip = frozenset(here) | ({skip_sid} if skip_sid else frozenset())
    return Tell(user, Deliver(packet, skip, always))


def on_topic(
    state: TopicState,
    sids: Iterable[str],
    what: str,
    *,
    src: str = "",
    act: str = "",
    dacs: Acs | None = None,
) -> tuple[Broadcast, ...]:
    """A packet for attached sessions; `act` is dropped where it equals `src`."""
    found = tuple(sids)
    if not found:
        return ()
    pres = Pres(topic=state.name, what=what, src=src, act="" if act == src else act, dacs=dacs)
    return (Broadcast(pres, found),)


def _admin_sessions(state: TopicState, skip_sid: str, skip_users: frozenset[str]) -> Iterator[str]:
    for item in state.attached:
        if item.sid == skip_sid or item.user in skip_users or item.reader:
            continue
        if state.mode(item) & access.ADMIN:
            yield item.sid


@attrs.frozen
class ModeChange:
    """One subscription before and after, who changed it and from which session."""

    old: Subscription | None
    new: Subscription
    actor: str
    origin: str = ""
    reader: bool = False
    came: tuple[str, ...] = ()  # sessions that attach with this very request, to be told as well
    stepped_down: frozenset[str] = frozenset()  # admins who are none after this very request
    quiet: bool = False  # admins who are here are not told: readers come and go unseen

    @property
    def is_new(self) -> bool:
        return self.old is None or bool(self.old.deleted)

    @property
    def joins(self) -> bool:
        """Whether somebody comes by himself to what there is already, and not just to read."""
        return self.is_new and self.actor == self.new.user and not self.reader


def mode_changed(state: TopicState, change: ModeChange) -> Iterator[Effect]:
    """All that a new or changed subscription causes, on the topic and on `me`."""
    target = change.new.user
    what = dacs(change.old, change.new)
    if what == Acs():
        return
    yield from push.access_changed(state, change.old, change.new, change.actor)
    if not change.quiet:
        sids = (
            *_admin_sessions(state, change.origin, change.stepped_down | {target}),
            *change.came,
        )
        yield from on_topic(state, sids, "acs", src=target, act=change.actor, dacs=what)
    own = (sid for sid in state.attached.of(target) if sid != change.origin)
    yield from on_topic(state, own, "acs", dacs=what)
    notice = on_me(
        state,
        target,
        Pres(topic="me", what="acs", act=change.actor, dacs=what),
        always=True,
        skip_sid=change.origin,
        reader=change.reader,
    )
    yield notice
    if change.joins and state.topic is not None:
        yield notice  # once for himself and once as a member who hears of newcomers, like all
    yield from _approval_wanted(state, change, what)
    yield contact_changed(state, change.new, reader=change.reader)


def _approval_wanted(state: TopicState, change: ModeChange, what: Acs) -> Iterator[Effect]:
    """Whoever is given an admin's rights and is not here learns on `me` of someone who joined
    by himself, or who wants more than he is given. Plain members are not told of others' modes.
    """
    target = change.new.user
    if change.reader:
        return
    wished = change.is_new or change.old is None or not change.old.want
    joined = wished and change.actor == target
    if not joined and not change.new.want & ~change.new.given:
        return
    pres = Pres(topic="me", what="acs", act=change.actor, tgt=target, dacs=what)
    for sub in state.members():
        if sub.user != target and sub.given & JOIN and sub.given & access.ADMIN:
            yield on_me(state, sub.user, pres, always=True)


def contact_changed(
    state: TopicState, sub: Subscription, *, reader: bool = False, quiet: bool = False
) -> Tell:
    """The user's `me` keeps book of his subscriptions."""
    address = state.address(sub.user, reader=reader)
    mode = None if sub.deleted else sub.mode
    return Tell(sub.user, ContactChanged(state.name, address, mode, quiet))


def ended(
    state: TopicState, sub: Subscription, actor: str, *, origin: str = ""
) -> Iterator[Effect]:
    """A member left or was removed: what admins and the p2p peer are told."""
    user = sub.user
    yield from push.access_changed(state, sub, structs.replace(sub, deleted=1), actor)
    if state.kind is Kind.P2P:
        for peer in state.members():
            if peer.user != user:
                yield Tell(peer.user, Presence(user, "off"))
    sids = tuple(_admin_sessions(state, origin, frozenset({user})))
    yield from on_topic(state, sids, "acs", src=user, act=actor, dacs=dacs(sub, None))
    if state.kind is Kind.GROUP and not ids.is_channel(sub.topic):
        yield from on_topic(state, sids, "off", src=user)


def members_notice(state: TopicState, what: str) -> Iterator[Tell]:
    """The group itself went `on` or `off`: every member's `me` takes note."""
    for sub in state.members():
        if sub.mode & PRES:
            yield Tell(sub.user, Presence(state.name, what))
