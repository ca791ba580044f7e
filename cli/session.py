"""`tinode-py session`: logins, and the connections there are now."""

from __future__ import annotations

import click

from tinode_py.config import Settings

from .door import Door, refusals, through
from .look import looking, named
from .options import json_option, with_settings
from .output import show, tell

_COLUMNS = ("user", "n", "created", "seen", "platform", "user_agent", "live")


@click.group()
def session() -> None:
    """Logins: one number for each device that somebody logged in with."""


@session.command("list")
@click.argument("who", default="")
@click.option("--all", "everything", is_flag=True, help="Those that were ended, too.")
@click.option("--live", is_flag=True, help="Only those that are connected now.")
@json_option
@with_settings
def list_(settings: Settings, who: str, everything: bool, live: bool, as_json: bool) -> None:
    """Logins of all, or of WHO. `live` counts the connections there are now."""
    user = named(settings, who)[0] if who else ""

    async def work(door: Door) -> dict[tuple[str, int], int]:
        now: dict[tuple[str, int], int] = {}
        for row in await door.get("/sessions"):
            key = (row["user"], row["n"])
            now[key] = now.get(key, 0) + 1
        return now

    _, now = through(settings, work)
    with looking(settings) as browser:
        rows = [
            {**row, "live": now.get((row["user"], row["n"]), 0)}
            for row in browser.sessions(user, everything)
        ]
    show([row for row in rows if row["live"] or not live], _COLUMNS, as_json=as_json)


@session.command("kick")
@click.argument("who")
@click.argument("number", type=click.IntRange(1), required=False)
@json_option
@with_settings
def kick(settings: Settings, who: str, number: int | None, as_json: bool) -> None:
    """End a login of WHO by its number, or all: tokens are void, connections are closed."""
    user, login = named(settings, who)
    which = str(number) if number else "*"

    async def work(door: Door) -> None:
        with refusals(c404=f"{login} has no login of number {which}"):
            await door.ask({"del": {"what": "session", "session": which}}, user=user)

    door, _ = through(settings, work)
    told = {"done": "ended", "user": user, "login": login, "session": which, **door.told}
    what = "all logins" if which == "*" else f"login {which}"
    tell(told, f"ended: {what} of {login} {door.where}", as_json=as_json)
