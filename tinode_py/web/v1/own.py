"""`/v1/me`: a user's own profile, and the members of his topics, as {get} and {set} have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ... import ids
from ...access import JOIN
from ...core.tags import restricted
from ...live.asking import NAME, Answers, Asker, ask, ask_attached
from ...queries import SubscriptionOf, UserById
from ...records import Subscription
from ...wire.client_packets import Get, Set
from ...wire.client_parts import SetDesc
from ...wire.parts import DefAcs
from .backend import Call, Handler
from .history import own_topic_of
from .problem import Problem
from .shape_topics import Member, Members
from .shape_users import Profile, ProfileChange
from .types import NULL
from .users import optional

Row = Mapping[str, msgspec.Raw]


async def _on_me(call: Call, request: Get | Set) -> Answers:
    caller = call.caller
    asker = Asker(caller.user, caller.level, own=True)
    return await ask(call.backend.hub, asker, caller.user, "me", request)


def _text(row: Row, name: str) -> str:
    return str(msgspec.json.decode(row[name])) if name in row else ""


async def read_profile(call: Call) -> Profile:
    """What {get what="desc tags"} on `me` tells."""
    answers = (await _on_me(call, Get(id=NAME, topic="me", what="desc tags"))).of("meta")
    desc: dict[str, msgspec.Raw] = {}
    tags: list[str] = []
    for meta in answers:
        if "desc" in meta:
            desc = msgspec.json.decode(meta["desc"], type=dict[str, msgspec.Raw])
        if "tags" in meta:
            tags = msgspec.json.decode(meta["tags"])
    modes: dict[str, Any] = msgspec.json.decode(desc.get("defacs", b"{}"))
    return Profile(
        call.caller.user,
        _text(desc, "created") or None,
        _text(desc, "updated") or None,
        desc.get("public", NULL),
        desc.get("trusted", NULL),
        desc.get("private", NULL),
        tuple(tags),
        modes.get("auth", ""),
        modes.get("anon", ""),
    )


async def change_profile(call: Call) -> Profile:
    wanted: ProfileChange = call.body
    public, private = optional(wanted.public), optional(wanted.private)
    defaults = DefAcs(wanted.auth or "", wanted.anon or "")
    if public is not None or private is not None or defaults != DefAcs():
        desc = SetDesc(defacs=defaults, public=public, private=private)
        _changed(await _on_me(call, Set(id=NAME, topic="me", desc=desc)))
    if wanted.tags is not None:
        user = await call.backend.store.fetch(UserById(call.caller.user))
        kept = restricted(user.tags if user else (), call.backend.settings)
        _changed(await _on_me(call, Set(id=NAME, topic="me", tags=(*kept, *wanted.tags))))
    return await read_profile(call)


def _changed(answers: Answers) -> None:
    if answers.code != 304:
        answers.checked()


async def list_members(call: Call) -> Members:
    """What {get what="sub"} of a topic tells: of others only what the user may see."""
    caller, page, named = call.caller, call.query, call.path["topic"]
    topic = own_topic_of(caller.user, named)
    request = Get(id=NAME, topic=named, what="sub")
    asker = Asker(caller.user, caller.level, own=True)
    row = await _membership(call, asker, topic, named)
    # From outside {get sub} tells of oneself alone: who gave up J takes it up again, as by {sub}.
    way = ask if row.want & JOIN else ask_attached
    answers = await way(call.backend.hub, asker, topic, named, request)
    answers.checked()
    rows: list[Row] = []
    for meta in answers.of("meta"):
        rows += msgspec.json.decode(meta.get("sub", b"[]"), type=list[dict[str, msgspec.Raw]])
    people = sorted((_member(row) for row in rows if "user" in row), key=lambda it: it.user)
    if page.online:
        people = [member for member in people if member.online]
    found = [member for member in people if member.user > page.after][: page.limit]
    after = found[-1].user if len(found) == page.limit else ""
    return Members(tuple(found), after, len(people))


async def _membership(call: Call, asker: Asker, topic: str, named: str) -> Subscription:
    """The user's row; 403 where a {sub} would not be granted, or make him a member."""
    address = named if ids.is_channel(named) else topic
    row = await call.backend.store.fetch(SubscriptionOf(address, asker.user))
    if row is None or row.deleted or not row.given & JOIN:
        raise Problem(403, "the user is no member of this topic")
    return row


def _member(row: Row) -> Member:
    acs: dict[str, str] = msgspec.json.decode(row.get("acs", b"{}"))
    return Member(
        _text(row, "user"),
        acs.get("want", ""),
        acs.get("given", ""),
        acs.get("mode", ""),
        msgspec.json.decode(row.get("read", b"0")),
        msgspec.json.decode(row.get("recv", b"0")),
        _text(row, "updated"),
        msgspec.json.decode(row.get("online", b"false")),
    )


HANDLERS: Mapping[str, Handler] = {
    "readOwnProfile": read_profile,
    "changeOwnProfile": change_profile,
    "listMembersAsSelf": list_members,
}
