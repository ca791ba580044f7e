"""`tinode-py audit`: what operators and back ends have done, whether a server runs or not."""

from __future__ import annotations

import json
from typing import Any

import click

from tinode_py.config import Settings

from .door import Door, through
from .options import json_option, with_settings
from .output import show

_COLUMNS = ("n", "time", "door", "actor", "origin", "action", "target", "detail")
_PAGE = 100


@click.group()
def audit() -> None:
    """The audit: who did what to whom, when and from where. `audit.days` says for how long."""


@audit.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, metavar="N")
@click.option("--actor", default="", help="Only what this user or key (its id) did.")
@click.option("--target", default="", help="Only what was done to this user, topic or key.")
@json_option
@with_settings
def list_(settings: Settings, limit: int, actor: str, target: str, as_json: bool) -> None:
    """Entries, the latest first."""

    def wanted(row: dict[str, Any]) -> bool:
        return (not actor or row["actor"] == actor) and (not target or row["target"] == target)

    async def work(door: Door) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while len(found) < limit:
            page = await door.get(f"/v1/audit?limit={_PAGE}&after={after}")
            found += filter(wanted, page["items"])
            if not (after := page["next"]):
                break
        return found[:limit]

    _, rows = through(settings, work)
    if not as_json:
        for row in rows:
            detail = row["detail"]
            row["detail"] = "" if detail is None else json.dumps(detail, ensure_ascii=False)
    show(rows, _COLUMNS, as_json=as_json)
