"""From the name that a client uses to the topic that is meant (protocol notes, 5.2)."""

from __future__ import annotations

import functools
from collections.abc import Callable

from .. import ids
from ..core import meta, outside
from ..errors import (
    ATTACH_FIRST,
    DENIED,
    MALFORMED,
    NO_ACTION,
    NOT_FOUND,
    NOT_JOINED,
    TOPIC_NOT_FOUND,
    Answer,
    Refused,
)
from ..wire.client_packets import Del, Get, Leave, Note, Pub, Set, Sub


@functools.lru_cache(maxsize=ids.CACHED)
def routable(named: str, user: str) -> str:
    """The topic that `user` calls `named`, "" if nobody can have a topic of that name; Refused
    if he can have none.
    """
    if not named:
        raise Refused(MALFORMED)
    match named:
        case "me":
            return user
        case "fnd":
            return ids.find_topic(user)
        case "slf":
            return ids.self_topic(user)
        case "sys":
            return "sys"
    if named.startswith("usr"):
        if not ids.is_user(named):
            raise Refused(MALFORMED)
        if named == user:
            raise Refused(DENIED)
        return ids.p2p_name(user, named)
    if ids.is_group(named):
        return named
    if ids.is_channel(named):
        return ids.group_of(named)
    if ids.is_room(named):
        return named
    return ""


def nowhere(request: Sub | Leave | Pub | Get | Set | Del | Note) -> Answer:
    """What is answered where there can be no topic of that name: the same as for one in which
    the session is not and the user never was.
    """
    match request:
        case Pub() | Note() | Leave(unsub=True) | Del(what="msg" | "sub" | "cred"):
            return ATTACH_FIRST
        case Leave():
            return NOT_JOINED
        case Del(what="topic"):
            return NO_ACTION
        case Get():
            return _nothing_known(request)
        case Set():
            return outside.refusal(request)
        case Del():
            return MALFORMED
        case _:
            return TOPIC_NOT_FOUND


def _nothing_known(request: Get) -> Answer:
    found = meta.words(request)
    if found == ("desc",):
        return TOPIC_NOT_FOUND if request.topic.startswith(("grp", "chn")) else MALFORMED
    return NOT_FOUND if "desc" in found or "sub" in found else DENIED


def is_name(named: str, user: str) -> bool:
    """Whether a topic may be called so."""
    try:
        routable(named, user)
    except Refused:
        return False
    return True


def is_new(named: str) -> bool:
    """Whether a {sub} to this name makes a new group."""
    return named.startswith(("new", "nch"))


def new_group(random_bytes: Callable[[int], bytes]) -> str:
    return "grp" + ids.new_body(random_bytes)
