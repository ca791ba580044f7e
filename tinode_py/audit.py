"""What operators and back ends have done: the words of the audit (docs/operating.md).

An entry says who did what to whom, when, and by which door. It never holds what was written:
of a change it names the members that were changed, not their values.
"""

from __future__ import annotations

from typing import Literal

import attrs

# A root session; a key of the business API; root's login token there; the same from the
# operators' page; a command beside a running server; a command that was the server itself.
Door = Literal["root", "key", "token", "page", "command", "offline"]

Action = Literal[
    "broadcast",
    "db.restore",
    "key.create",
    "key.revoke",
    "key.rotate",
    "login.end",
    "member.put",
    "member.remove",
    "message.delete",
    "message.edit",
    "message.send",
    "setting.set",
    "setting.unset",
    "ticket.create",
    "topic.change",
    "topic.create",
    "topic.delete",
    "user.change",
    "user.create",
    "user.delete",
    "user.level",
    "user.offline",
    "webhook.change",
    "webhook.create",
    "webhook.delete",
    "webhook.replay",
    "webhook.rotate",
]
LONGEST_ORIGIN = 200  # characters


def _begin(text: str) -> str:
    return text[:LONGEST_ORIGIN]


@attrs.frozen
class Actor:
    """Who acts with more than a user's rights.

    `name` is a user (`usr…`) or a key's public id; empty for whoever owns the data folder.
    `origin` is his address, or what a command calls itself; of a long one the beginning.
    """

    door: Door
    name: str = ""
    origin: str = attrs.field(default="", converter=_begin)


@attrs.frozen
class AuditEntry:
    """One thing done at `ts`. `target` is a user, a topic, a key's id, a webhook's number, a
    tag, the name of a setting, or empty for everybody.

    `detail` is a JSON object, None if there is nothing more to say. `n` counts entries from 1;
    0: not stored yet.
    """

    ts: int
    actor: Actor
    action: str
    target: str
    detail: bytes | None = None
    n: int = 0


def command_door(listen: tuple[str, ...]) -> Door:
    """The door of a data folder's owner: a server without listeners is one command's own."""
    return "command" if listen else "offline"
