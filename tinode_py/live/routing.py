"""From the name that a client uses to the topic that is meant (protocol notes, 5.2)."""

from __future__ import annotations

from collections.abc import Callable

from .. import ids
from ..errors import DENIED, MALFORMED, TOPIC_NOT_FOUND, Refused


def routable(named: str, user: str) -> str:
    """The topic that `user` calls `named`; Refused if he can have no such topic."""
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
    raise Refused(TOPIC_NOT_FOUND)


def is_new(named: str) -> bool:
    """Whether a {sub} to this name makes a new group."""
    return named.startswith(("new", "nch"))


def new_group(random_bytes: Callable[[int], bytes]) -> str:
    return "grp" + ids.new_body(random_bytes)
