"""Who may do what, told once more, from the protocol notes (sections 4, 5, 7, 8 and 17) alone.

Nothing here is taken from the rules of the server, not even the arithmetic of modes. A function
takes the role, the wanted and the given mode, and says what comes of one request.

- Roles: `member` of a group of which somebody else is the owner; its `owner`; a side of a
  conversation of two (`p2p`).
- What comes of it: a code; `meta` for an answer without one; None for no answer; or a tuple
  with what else matters.
"""

from __future__ import annotations

from typing import Any

J, R, W, P, A, S, D, OWN = 1, 2, 4, 8, 16, 32, 64, 128
DEFAULT = J | R | W | P | S  # of the group
PRIVATE = J | R | W | P | A | D  # what a mode of a conversation of two may hold
INVITED = J | R | W | P | A | S  # default of the account that is invited
GROUP_ROLES = ("member", "owner")


def pub(role: str, want: int, given: int) -> Any:
    return 202 if want & given & W else 403


def get_data(role: str, want: int, given: int) -> Any:
    return 208 if want & given & R else 403


def get_del(role: str, want: int, given: int) -> Any:
    return "meta" if want & given & R else 204


def get_desc(role: str, want: int, given: int) -> Any:
    """Counters for readers, presence for those with P, defaults of a group for its admins."""
    mode = want & given
    return {
        "counters": bool(mode & R),
        "online": role != "p2p" and bool(mode & P),
        "defacs": role != "p2p" and bool(mode & (A | S | OWN)),
    }


def get_sub(role: str, want: int, given: int) -> Any:
    """One's own row and those of admins show modes to all, the rest to admins. Who is here is
    told to those with P.
    """
    mode = want & given
    if role == "p2p":
        return {"own": True, "peer": True}
    everything = bool(mode & (A | S | OWN))
    return {"own": True, "owner": True, "plain": everything, "online": bool(mode & P)}


def get_tags(role: str, want: int, given: int) -> Any:
    if role == "p2p":
        return 405
    return "meta" if role == "owner" else 403


def hears_data(role: str, want: int, given: int) -> Any:
    return bool(want & given & R)


def hears_typing(role: str, want: int, given: int) -> Any:
    return bool(want & given & R)


def note_mark(role: str, want: int, given: int) -> Any:
    return bool(want & given & R)


def note_typing(role: str, want: int, given: int) -> Any:
    return bool(want & given & W)


def set_public(role: str, want: int, given: int) -> Any:
    return 200 if role == "owner" else 403


def set_private(role: str, want: int, given: int) -> Any:
    return 200


def set_trusted(role: str, want: int, given: int) -> Any:
    return 403


def set_tags(role: str, want: int, given: int) -> Any:
    return {"owner": 200, "member": 403, "p2p": 405}[role]


def set_aux(role: str, want: int, given: int) -> Any:
    return 200 if want & given & (A | OWN) else 403


def del_msg(role: str, want: int, given: int) -> Any:
    """With what it is asked to be hard: what it becomes."""
    mode = want & given
    if not mode & R:
        return 403
    return (200, "hard" if mode & D else "soft")


def del_msg_soft(role: str, want: int, given: int) -> Any:
    return (200, "soft") if want & given & R else 403


def del_sub(role: str, want: int, given: int) -> Any:
    if role == "p2p":
        return 403
    return 200 if want & given & (A | OWN) else 403


def del_topic(role: str, want: int, given: int) -> Any:
    return (200, "deleted" if role == "owner" else "left")


def leave_unsub(role: str, want: int, given: int) -> Any:
    return 403 if role == "owner" else (200, "left")


def invite(role: str, want: int, given: int) -> Any:
    """Somebody new, with no mode named."""
    if not want & given & (S | A | OWN):
        return 403
    return (200, DEFAULT | J)


def give(role: str, want: int, given: int, mode: int) -> Any:
    """A mode to a member, or to somebody new. Both have less than it now."""
    if not want & given & (A | OWN):
        return 403
    if role == "p2p":
        return (200, mode & PRIVATE | A)
    if mode & OWN and role != "owner":
        return 403
    return (200, mode)


def wish(role: str, want: int, given: int, asked: int) -> Any:
    """{set sub} for oneself: the modes afterwards, and whether one is the owner."""
    if asked & OWN and role == "p2p":
        return 403
    if role == "p2p":
        return _wished(want, given, asked & PRIVATE | A, given)
    if role == "owner" and asked & (J | OWN) != J | OWN:
        return 403
    if role == "member" and asked & OWN:
        return _wished(want, given, asked, given) if given & OWN else 403
    raised = asked & ~(OWN | D) if want & given & A else 0
    return _wished(want, given, asked, given | raised)


def _wished(want: int, given: int, new_want: int, new_given: int) -> Any:
    if (want, given) == (new_want, new_given):
        return 304
    return (200, new_want, new_given)


def come(role: str, want: int, given: int) -> Any:
    """{sub} without a mode: the wanted mode afterwards, and whether the session is attached."""
    if not given & J:
        return 403
    if want & J:
        return (200, want, True)
    if role == "p2p":
        return (200, (given | want) & PRIVATE | A, True)
    return (200, given | DEFAULT, True)


def come_with(role: str, want: int, given: int, asked: int) -> Any:
    """{sub} with a mode: as a wish, and without J in it nobody is attached."""
    if not given & J:
        return 403
    result = wish(role, want, given, asked)
    if result == 403:
        return 403
    new_want, new_given = (want, given) if result == 304 else result[1:]
    return (200, new_want, bool(new_want & new_given & J))


def removed(role: str, want: int, given: int) -> Any:
    """Somebody with these modes is put out by the owner; who shut himself out must stay."""
    return 200 if want & J else 403


def given_to_him(role: str, want: int, given: int, mode: int) -> Any:
    """The owner gives a mode to somebody with these: his, and whether he has to go."""
    if given == mode:
        return 304
    return (200, mode, not mode & J)
