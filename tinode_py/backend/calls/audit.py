"""Requests and answers about what was done by operators and back ends.

Made by `python -m tinode_py.backend.making`: do not edit.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import attrs

from ..call import Call, given


@attrs.frozen
class Deed:
    """Something that was done with more than a user's own rights.

    - `n`: counts them, from 1.
    - `time`: when.
    - `door`: how: `root` (a session), `key`, `token` (root's, at this API), `page` (the same,
      from the operators' page), `command`, `offline` (a command while no server ran).
    - `actor`: who: a user, or a key's id; empty for a command.
    - `origin`: his address; for a command, what it calls itself.
    - `action`: what, as `user.change`.
    - `target`: to whom or what: a user, a topic, a key's id, a webhook's number, a tag; empty for
      everybody.
    - `detail`: an object that says more, null if there is no more; never what was written.
    """

    n: int
    time: datetime
    door: str
    actor: str
    origin: str
    action: str
    target: str
    detail: Any


@attrs.frozen
class AuditPage:
    """Deeds, the latest first.

    - `items`: this page.
    - `next`: what to ask after for the page that follows, with older ones; empty if there is
      none.
    """

    items: tuple[Deed, ...]
    next: str

    def rows(self) -> tuple[Deed, ...]:
        return self.items

    def onward(self) -> dict[str, Any]:
        return {"after": self.next} if self.next else {}


def read_audit(*, after: str = "", limit: int = 50) -> Call[AuditPage]:
    """Read what operators and back ends have done.

    - `after`: `next` of the page before; empty: from the start.
    - `limit`: rows of this page.
    """
    return Call(
        "GET",
        "/v1/audit",
        AuditPage,
        query=given(("after", after, ""), ("limit", limit, 50)),
        repeatable=True,
    )
