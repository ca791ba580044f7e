"""`tinode-py hook`: webhooks, by the business API, whether a server runs or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from tinode_py.config import Settings

from .door import Door, refusals, through
from .failure import Failure
from .options import json_option, with_settings
from .output import show, tell

_COLUMNS = ("id", "url", "active", "kinds", "topics", "done", "failing", "dead")
_DEAD = ("event", "kind", "at", "tries", "error")
_NUMBER = click.argument("number", metavar="ID", type=click.IntRange(1))


@click.group()
def hook() -> None:
    """Webhooks: make, look at, try, send again, give another secret, end. ID is a number."""


@hook.command("create")
@click.argument("url")
@click.option("--kind", "kinds", multiple=True, help="Only events of this kind; may be repeated.")
@click.option("--topic", "topics", multiple=True, help="Only events of this topic.")
@click.option("--off", is_flag=True, help="Send nothing yet.")
@json_option
@with_settings
def create(
    settings: Settings,
    url: str,
    kinds: Sequence[str],
    topics: Sequence[str],
    off: bool,
    as_json: bool,
) -> None:
    """Post what happens from now on to URL. The secret that signs is shown once."""
    body = {"url": url, "kinds": list(kinds), "topics": list(topics), "active": not off}
    made = _asked(settings, "POST", "", body)
    tell(made, f"{made['id']}  {made['secret']}", as_json=as_json)


@hook.command("list")
@json_option
@with_settings
def list_(settings: Settings, as_json: bool) -> None:
    """All webhooks, and how far each has come."""
    rows = _pages(settings, "")
    for row in rows:
        del row["secret"]
    show(rows, _COLUMNS, as_json=as_json)


@hook.command("delete")
@_NUMBER
@json_option
@with_settings
def delete(settings: Settings, number: int, as_json: bool) -> None:
    """End a webhook, with what it did not take."""
    _asked(settings, "DELETE", f"/{number}")
    tell({"done": "deleted", "id": number}, f"deleted: {number}", as_json=as_json)


@hook.command("test")
@_NUMBER
@json_option
@with_settings
def test(settings: Settings, number: int, as_json: bool) -> None:
    """Post a request without events once, and say what came of it; 1 if it was not taken."""
    tried = _asked(settings, "POST", f"/{number}/test")
    if not tried["taken"] and not as_json:
        raise Failure(tried["error"])
    tell(tried, "taken", as_json=as_json)
    if not tried["taken"]:
        raise SystemExit(1)


@hook.command("dead")
@_NUMBER
@json_option
@with_settings
def dead(settings: Settings, number: int, as_json: bool) -> None:
    """Events that a webhook did not take, with the last error of each."""
    show(_pages(settings, f"/{number}/dead"), _DEAD, as_json=as_json)


@hook.command("replay")
@_NUMBER
@click.option("--after", type=click.IntRange(0), default=None, help="All events above this id.")
@json_option
@with_settings
def replay(settings: Settings, number: int, after: int | None, as_json: bool) -> None:
    """Send again what was not taken, or all events since one. Beside a server that runs."""
    body = {} if after is None else {"after": after}
    told = _asked(settings, "POST", f"/{number}/replay", body, live=True)
    what = f"{told['events']} dead" if after is None else f"all after {after}"
    tell({"done": "replaying", "id": number, **told}, f"sending again: {what}", as_json=as_json)


@hook.command("rotate")
@_NUMBER
@click.option(
    "--grace", type=click.IntRange(0, 2_592_000), default=86_400, show_default=True,
    help="Seconds for which the old secret signs as well.",
)  # fmt: skip
@json_option
@with_settings
def rotate(settings: Settings, number: int, grace: int, as_json: bool) -> None:
    """Give a webhook another secret, which is shown once."""
    rotated = _asked(settings, "POST", f"/{number}/rotate", {"grace": grace})
    tell(rotated, rotated["secret"], as_json=as_json)


def _asked(
    settings: Settings,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    *,
    live: bool = False,
) -> Any:
    async def work(door: Door) -> Any:
        if live and door.process is None:
            raise Failure("no server runs on this data folder, and nobody would send")
        with refusals(**_unknown(path)):
            return await door.ask_business(method, f"/v1/webhooks{path}", body)

    _, answer = through(settings, work)
    return answer


def _pages(settings: Settings, path: str) -> list[dict[str, Any]]:
    async def work(door: Door) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            with refusals(**_unknown(path)):
                page = await door.get(f"/v1/webhooks{path}?limit=100&after={after}")
            found += page["items"]
            if not (after := page["next"]):
                return found

    _, rows = through(settings, work)
    return rows


def _unknown(path: str) -> dict[str, str]:
    number = path.strip("/").partition("/")[0]
    return {"c404": f"there is no webhook {number}"} if number else {}
