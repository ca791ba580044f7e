"""{set} on p2p conversations, groups and `slf`: descriptions, tags, aux (protocol notes, 5.8).

Each part of a {set} is decided and committed by itself, in the order desc, sub, tags, cred,
aux, so that one part sees what the part before it has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import attrs
from msgspec import structs

from ..access import APPROVE, JOIN, OWNER, PRES
from ..changes import Change, PutSubscription, PutTopic
from ..errors import (
    DENIED,
    MALFORMED,
    NOT_ALLOWED,
    NOT_MODIFIED,
    OK,
    Refused,
)
from ..ids import Kind
from ..queries import OwnerOfTag, Query, SubscriptionOf
from ..records import Topic
from ..wire.client_packets import Set
from ..wire.client_parts import SetDesc, SetQuery
from ..wire.parts import DefAcs
from ..wire.server_packets import Pres
from . import membership, presence, tags, uploads
from .decision import Decision, Env, Facts, reply
from .effects import Effect
from .events import Asked
from .merge import DELETE, merge
from .modes import parse_mode
from .seats import seat
from .state import TopicState

PARTS = ("desc", "sub", "tags", "cred", "aux")


def split(asked: Asked) -> tuple[Asked, Asked | None]:
    """The request with its first part alone, and the rest of it."""
    request = cast(Set, asked.request)
    present = [name for name in PARTS if getattr(request, name) is not None]
    if not present:
        raise Refused(MALFORMED)
    if len(present) == 1:
        return asked, None
    first, rest = present[0], present[1:]
    none: dict[str, Any] = dict.fromkeys(rest)
    only = attrs.evolve(request, **none)
    none = {first: None}
    others = attrs.evolve(request, **none)
    return structs.replace(asked, request=only), structs.replace(asked, request=others)


def needs(state: TopicState, asked: Asked, env: Env) -> tuple[Query[Any], ...]:
    """The facts for the first part of a {set}."""
    request = cast(Set, asked.request)
    if not seat(state, asked):
        address = asked.named if asked.named.startswith("chn") else state.name
        return (SubscriptionOf(address, asked.caller.user),)
    if request.desc is None and request.sub is not None and request.sub.user:
        return membership.needs(state, request.sub.user)
    if request.desc is None and request.sub is None and request.tags is not None:
        return tags_needs(request.tags, env)
    return ()


def tags_needs(asked: Iterable[str], env: Env) -> tuple[Query[Any], ...]:
    """The facts for `changed_tags`: whose those are of which there is only one."""
    single = tags.unique(tags.normal(asked, env.settings), env.settings)
    return tuple(OwnerOfTag(tag) for tag in single)


def set_part(state: TopicState, asked: Asked, facts: Facts, env: Env) -> Decision:
    """One part of a {set}, from an attached session."""
    request = cast(Set, asked.request)
    if request.desc is not None:
        return _desc(state, asked, request.desc, env)
    if request.sub is not None:
        return membership.set_sub(state, asked, request.sub, facts, env)
    if request.tags is not None:
        return _tags(state, asked, request.tags, facts, env)
    if request.cred is not None:
        raise Refused(NOT_ALLOWED)
    return _aux(state, asked, request, env)


def updated_for_owner(state: TopicState, user: str, sid: str, *, reader: bool = False) -> Effect:
    """The user's other sessions learn of what he changed himself."""
    pres = Pres(topic="me", what="upd")
    return presence.on_me(state, user, pres, everywhere=True, skip_sid=sid, reader=reader)


# --- desc --------------------------------------------------------------------------------


def _desc(state: TopicState, asked: Asked, part: SetDesc, env: Env) -> Decision:
    caller = asked.caller
    item = seat(state, asked)
    sub = state.subscription(item) if item else None
    if item is None or sub is None:
        raise Refused(DENIED)
    if state.kind is Kind.SELF:  # there is nobody to describe it to
        part = SetDesc(private=part.private)
    if part.trusted is not None and not caller.is_root:
        raise Refused(DENIED)
    shared = part.public is not None or part.defacs is not None or part.trusted is not None
    if shared and not _may_describe(state, asked, part):
        raise Refused(DENIED)
    topic, public_set = _described(state.record, part, env)
    private, private_set = merge(sub.private, part.private)
    changes: list[Change] = []
    if public_set or topic != state.record:
        changes.append(PutTopic(topic))
    if part.public is not None and public_set:
        before, after = state.record.public, topic.public
        changes.extend(uploads.picture(state.name, before, after, asked.attachments))
    if private_set:
        changes.append(PutSubscription(structs.replace(sub, private=private, updated=env.now)))
    if not changes:
        raise Refused(NOT_MODIFIED)
    effects: list[Effect] = [reply(env, OK, asked)]
    if public_set:
        effects.extend(_public_changed(state, caller.user))
    if public_set or private_set:
        effects.append(updated_for_owner(state, caller.user, caller.sid, reader=item.reader))
    return Decision(tuple(changes), tuple(effects))


def _may_describe(state: TopicState, asked: Asked, part: SetDesc) -> bool:
    if state.kind is Kind.P2P:
        return False
    if state.record.owner == asked.caller.user:
        return True
    only_trusted = part.public is None and part.defacs is None
    return asked.caller.is_root and only_trusted


def _described(topic: Topic, part: SetDesc, env: Env) -> tuple[Topic, bool]:
    """The topic with its new description, and whether members should look at it again."""
    public, public_set = merge(topic.public, part.public)
    trusted, trusted_set = merge(topic.trusted, part.trusted)
    auth, anon = _defaults(topic, part.defacs)
    new = structs.replace(topic, public=public, trusted=trusted, auth=auth, anon=anon)
    shown = public_set or trusted_set
    if new != topic or shown:
        new = structs.replace(new, updated=env.now)
    return new, shown


def _defaults(topic: Topic, defacs: DefAcs | None) -> tuple[int, int]:
    if defacs is None:
        return topic.auth, topic.anon
    auth = parse_mode(defacs.auth) if defacs.auth else topic.auth
    anon = parse_mode(defacs.anon) if defacs.anon else topic.anon
    if (auth | anon) & OWNER:
        raise Refused(MALFORMED)
    return auth, anon


def _public_changed(state: TopicState, user: str) -> Iterator[Effect]:
    """All members look at the group again, whether they are attached or not."""
    pres = Pres(topic="me", what="upd")
    for sub in state.members():
        if sub.user != user and sub.mode & JOIN:
            yield presence.on_me(state, sub.user, pres, everywhere=True)
    for row in state.readers.values():
        if row.mode & JOIN:
            yield presence.on_me(state, row.user, pres, everywhere=True, reader=True)


# --- tags, aux ---------------------------------------------------------------------------


def _tags(
    state: TopicState, asked: Asked, wanted: tuple[str, ...], facts: Facts, env: Env
) -> Decision:
    caller = asked.caller
    if state.kind is not Kind.GROUP:
        raise Refused(NOT_ALLOWED)
    if state.record.owner != caller.user:
        raise Refused(DENIED)
    new = changed_tags(state.record.tags, wanted, facts, state.name, env)
    topic = structs.replace(state.record, tags=new, updated=env.now)
    params = counted(state.record.tags, new)
    effects: list[Effect] = [reply(env, OK, asked, params=params)]
    own = (sid for sid in state.attached.of(caller.user) if sid != caller.sid)
    effects.extend(presence.on_topic(state, own, "tags"))
    claims = tags.claims(state.name, new, env.settings)
    return Decision((*claims, PutTopic(topic)), tuple(effects))


def changed_tags(
    old: tuple[str, ...], wanted: tuple[str, ...], facts: Facts, owner: str, env: Env
) -> tuple[str, ...]:
    """The new list of tags; Refused if it breaks a rule or changes nothing."""
    if DELETE in wanted:  # means "no tags at all", which the reference answers like this
        raise Refused(NOT_MODIFIED)
    new = tags.normal(wanted, env.settings)
    if not new:
        raise Refused(NOT_MODIFIED)
    if set(tags.restricted(new, env.settings)) != set(tags.restricted(old, env.settings)):
        raise Refused(DENIED)
    if len(tags.aliases(new)) > 1:
        raise Refused(MALFORMED)
    for tag in tags.unique(new, env.settings):
        if facts.get(OwnerOfTag(tag)) not in (None, owner):
            raise Refused(MALFORMED)
    if set(new) == set(old):
        raise Refused(NOT_MODIFIED)
    return new


def counted(old: tuple[str, ...], new: tuple[str, ...]) -> dict[str, int]:
    """How many tags came and went, for the answer; a zero is left out."""
    found = {"added": len(set(new) - set(old)), "removed": len(set(old) - set(new))}
    return {name: n for name, n in found.items() if n}


def _aux(state: TopicState, asked: Asked, part: SetQuery, env: Env) -> Decision:
    if state.kind not in (Kind.P2P, Kind.GROUP, Kind.SELF):
        raise Refused(NOT_ALLOWED)
    item = seat(state, asked)
    mode = state.mode(item) if item else 0
    if not mode & (APPROVE | OWNER):
        raise Refused(DENIED)
    aux, changed = merge(state.record.aux, part.aux)
    if not changed:
        raise Refused(NOT_MODIFIED)
    others = state.holders(PRES, skip_sid=asked.caller.sid)
    effects: tuple[Effect, ...] = (
        reply(env, OK, asked),
        *presence.on_topic(state, others, "aux"),
    )
    return Decision((PutTopic(structs.replace(state.record, aux=aux)),), effects)
