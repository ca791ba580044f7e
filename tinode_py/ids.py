"""Names of users and topics: making them, checking them, telling their kind.

A user or a group is a random 64-bit number, written as 11 characters of base64url behind a
three-letter prefix. The last character carries only four bits; a name whose two spare bits
are set is refused, so that nobody has two names.

Inside the server every topic has one *routable* name, whoever speaks of it:

    usrX   the `me` topic of user X       p2pXY  the conversation of two users
    grpX   a group (also a channel)       fndX   the search topic of user X
    slfX   the notes of user X to himself sys    the operators' mailbox
    tmpN   a room, which is there while somebody is in it; N is a name that somebody chose

Clients use relative names (`me`, `usrY`, `chnX`); the session translates them on the way in
and each reader's view translates them on the way out.
"""

from __future__ import annotations

import base64
import enum
import functools
from collections.abc import Callable

BODY_LENGTH = 11
ROOM_LENGTH = 64  # characters of a room's name, `tmp` included: what a packet may hold
CACHED = 16_384  # conversations whose names need not be made again
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_ROOM = _ALPHABET | frozenset(".:")
_LAST = frozenset("AEIMQUYcgkosw048")  # the characters whose two low bits are zero


class Kind(enum.Enum):
    """What a routable name names."""

    ME = "usr"
    P2P = "p2p"
    GROUP = "grp"
    FIND = "fnd"
    SELF = "slf"
    SYS = "sys"
    ROOM = "tmp"


_KINDS = {kind.value: kind for kind in Kind}


_DASH = 62  # its place in the alphabet of base64url


def new_body(random_bytes: Callable[[int], bytes]) -> str:
    """Eleven fresh characters for a user, group, file or session; never the zero id.

    None begins with a dash: a command would take it for an option.
    """
    while True:
        raw = random_bytes(8)
        if raw != bytes(8) and raw[0] >> 2 != _DASH:
            return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def is_body(text: str) -> bool:
    """Whether `text` is a canonical, non-zero 64-bit number in base64url."""
    return (
        len(text) == BODY_LENGTH
        and text[-1] in _LAST
        and _ALPHABET.issuperset(text)
        and text != "AAAAAAAAAAA"
    )


def is_user(name: str) -> bool:
    return name.startswith("usr") and is_body(name[3:])


def is_group(name: str) -> bool:
    return name.startswith("grp") and is_body(name[3:])


def is_channel(name: str) -> bool:
    return name.startswith("chn") and is_body(name[3:])


def is_room(name: str) -> bool:
    """Whether a room may be called so: `tmp` and 1 to 61 letters, digits, or `-_.:`."""
    return name.startswith("tmp") and 3 < len(name) <= ROOM_LENGTH and _ROOM.issuperset(name)


def kind_of(routable: str) -> Kind:
    """The kind of a routable name; ValueError if it is none."""
    try:
        return _KINDS[routable[:3]]
    except KeyError:
        raise ValueError(f"not a routable topic name: {routable!r}") from None


def user_number(user: str) -> int:
    """The 64-bit number of a user, as tokens carry it."""
    return int.from_bytes(base64.urlsafe_b64decode(user[3:] + "="), "little")


def user_name(number: int) -> str:
    """The inverse of `user_number`."""
    body = base64.urlsafe_b64encode(number.to_bytes(8, "little")).decode("ascii")
    return "usr" + body.rstrip("=")


@functools.lru_cache(maxsize=CACHED)
def p2p_name(one: str, other: str) -> str:
    """The routable name of the conversation of two users, the same from both sides."""
    low, high = sorted((user_number(one), user_number(other)))
    raw = low.to_bytes(8, "little") + high.to_bytes(8, "little")
    return "p2p" + base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


@functools.lru_cache(maxsize=CACHED)
def p2p_users(name: str) -> tuple[str, str]:
    """Both users of a p2p conversation, the lower number first."""
    raw = base64.urlsafe_b64decode(name[3:] + "==")
    return (
        user_name(int.from_bytes(raw[:8], "little")),
        user_name(int.from_bytes(raw[8:], "little")),
    )


def p2p_peer(name: str, user: str) -> str:
    """The other side of a p2p conversation."""
    one, other = p2p_users(name)
    return other if user == one else one


def channel_of(group: str) -> str:
    """The address under which readers know a channel-enabled group."""
    return "chn" + group[3:]


def group_of(channel: str) -> str:
    return "grp" + channel[3:]


def find_topic(user: str) -> str:
    return "fnd" + user[3:]


def self_topic(user: str) -> str:
    return "slf" + user[3:]


def owner_of(routable: str) -> str:
    """The user to whom a `fnd` or `slf` topic belongs."""
    return "usr" + routable[3:]


@functools.lru_cache(maxsize=CACHED)
def seen_by(routable: str, user: str, *, reader: bool = False) -> str:
    """The name under which `user` knows a topic; `reader` if he reads it as a channel."""
    kind = kind_of(routable)
    if kind is Kind.P2P:
        return p2p_peer(routable, user)
    if kind is Kind.GROUP:
        return channel_of(routable) if reader else routable
    if kind is Kind.ME:
        return "me"
    if kind is Kind.ROOM:
        return routable
    return str(kind.value)
