"""What a request means for the audit: pure, the same by whichever door it came.

A request is told of if it changed something and was made with more than a user's own rights:
by a back end, by a command, or by root for somebody else. What root does to his own account or
in his own name as a member of a topic is what anybody may do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from ..audit import Action, AuditEntry
from ..changes import Change, DeleteTopic, PutTopic
from ..changes_backend import PutAudit
from ..wire.client_packets import Acc, Del, Leave, Pub, Set, Sub
from ..wire.client_parts import SetDesc
from . import heads
from .events import Asked, Event, NewLogin, PublishIs

_Told = tuple[Action, dict[str, Any]]
_DESCRIBED = ("public", "trusted", "private")


def deeds(
    topic: str, events: Iterable[tuple[Event, tuple[Change, ...]]], now: int
) -> list[PutAudit]:
    """What the audit is told of events in a topic, each with what it changed."""
    found = [
        deed(topic, event, changes, now)
        for event, changes in events
        if type(event) is not Asked or event.caller.by is not None  # most ask for themselves
    ]
    return [PutAudit(entry) for entry in found if entry is not None]


def deed(topic: str, event: Event, changes: tuple[Change, ...], now: int) -> AuditEntry | None:
    """The entry for an event that made `changes` in a topic; None if there is none to make."""
    asked = event.asked if isinstance(event, NewLogin | PublishIs) else event
    if not isinstance(asked, Asked) or asked.caller.by is None or not changes:
        return None
    if asked.caller.by.door == "root" and _is_his_own(topic, asked):
        return None
    found = _told(asked, changes)
    if isinstance(event, PublishIs):
        found = "topic.change", {"publish": event.on}
    if found is None:
        return None
    action, detail = found
    text = msgspec.json.encode(detail) if detail else None
    return AuditEntry(now, asked.caller.by, action, topic, text)


def _is_his_own(topic: str, asked: Asked) -> bool:
    """Whether a session of root's asks for no more than what is his."""
    caller, request = asked.caller, asked.request
    if caller.user != caller.actor:
        return False
    if isinstance(request, Acc) or (isinstance(request, Del) and request.what == "user"):
        return topic == caller.user
    desc = request.set.desc if isinstance(request, Sub) and request.set else None
    if isinstance(request, Set):
        desc = request.desc
    return desc is None or desc.trusted is None


def _told(asked: Asked, changes: tuple[Change, ...]) -> _Told | None:
    user = asked.caller.user
    match asked.request:
        case Acc() as acc:
            return "user.change", _account(acc)
        case Sub():
            made = any(isinstance(change, PutTopic) for change in changes)
            return ("topic.create", {}) if made else ("member.put", {"user": user})
        case Leave():
            return "member.remove", {"user": user}
        case Pub(head=head):
            seq = heads.replaced(head) if head else 0
            return ("message.edit", {"seq": seq}) if seq else ("message.send", {"user": user})
        case Set() as wanted:
            return _set(wanted, user)
        case Del() as wanted:
            return _deletion(wanted, user, changes)
        case _:
            return None


def _account(acc: Acc) -> dict[str, Any]:
    if acc.status:
        return {"state": acc.status}
    return {"changed": ["login"]} if acc.scheme else {}


def _set(wanted: Set, user: str) -> _Told:
    if wanted.sub is not None:
        detail = {"user": wanted.sub.user or user, "mode": wanted.sub.mode}
        return "member.put", {name: value for name, value in detail.items() if value}
    changed = _members(wanted.desc)
    changed += [name for name in ("tags", "aux", "cred") if getattr(wanted, name) is not None]
    action: Action = "user.change" if wanted.topic == "me" else "topic.change"
    return action, {"changed": changed}


def _members(desc: SetDesc | None) -> list[str]:
    if desc is None:
        return []
    modes = desc.defacs is not None and (desc.defacs.auth or desc.defacs.anon)
    found = [name for name in _DESCRIBED if getattr(desc, name) is not None]
    return ["defacs", *found] if modes else found


def _deletion(wanted: Del, user: str, changes: tuple[Change, ...]) -> _Told | None:
    match wanted.what:
        case "user":
            return "user.delete", {"hard": wanted.hard}
        case "topic" if any(isinstance(change, DeleteTopic) for change in changes):
            return "topic.delete", {}
        case "topic":
            return "member.remove", {"user": user}
        case "sub":
            return "member.remove", {"user": wanted.user}
        case "msg":
            ranges = [
                {"low": r.low, "hi": r.hi} if r.hi else {"low": r.low} for r in wanted.delseq or ()
            ]
            return "message.delete", {"ranges": ranges, "hard": wanted.hard}
        case "session":
            return "login.end", {"login": wanted.session}
        case "cred":
            return "user.change", {"changed": ["cred"]}
        case _:
            return None
