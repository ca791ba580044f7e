"""`tinode-py key`: keys of the business API, by that API itself, whether a server runs or not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import click
import trio

from tinode_py.auth.keys import SCOPES
from tinode_py.client import ClientError
from tinode_py.config import Settings

from .door import Door, acting, refusals
from .failure import Failure, Unusable
from .options import json_option, with_settings
from .output import show, tell

_COLUMNS = ("id", "name", "created", "revoked", "scopes", "topics", "tags", "rate")


@click.group()
def key() -> None:
    """Keys of the business API: make, look at, end. ID is what `key list` shows."""


@key.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=click.Choice([*SCOPES, "all"]),
    help="What it may do; may be repeated.",
)  # fmt: skip
@click.option("--topic", "topics", multiple=True, help="Only with this group or room (grp…, tmp…).")
@click.option("--tag", "tags", multiple=True, help="Only with users and groups so tagged.")
@click.option("--rate", type=click.IntRange(0), default=0, help="Requests per second; 0: any.")
@json_option
@with_settings
def create(
    settings: Settings,
    name: str,
    scopes: Sequence[str],
    topics: Sequence[str],
    tags: Sequence[str],
    rate: int,
    as_json: bool,
) -> None:
    """Make a key called NAME. It is shown once; only a digest is kept."""
    chosen = SCOPES if "all" in scopes else scopes
    body = {"name": name, "scopes": list(chosen), "topics": list(topics), "tags": list(tags)}

    async def work(door: Door) -> Any:
        try:
            return await door.post("/v1/keys", {**body, "rate": rate})
        except ClientError as error:
            raise Failure(f"refused: {error}") from None

    made = _done(settings, work)
    tell(made, made["key"], as_json=as_json)


@key.command("list")
@json_option
@with_settings
def list_(settings: Settings, as_json: bool) -> None:
    """All keys, without what is secret in them."""

    async def work(door: Door) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await door.get("/v1/keys?" + urlencode({"limit": 100, "after": after}))
            found += page["items"]
            if not (after := page["next"]):
                return found

    rows = _done(settings, work)
    for row in rows:
        del row["key"]
    show(rows, _COLUMNS, as_json=as_json)


@key.command("rotate")
@click.argument("ident", metavar="[ID]", default="")
@click.option("--clients", is_flag=True, help="The API keys of clients, all of them.")
@click.option(
    "--grace", type=click.FloatRange(0, 720), default=24.0, show_default=True, metavar="HOURS",
    help="For how long the old secret is good as well.",
)  # fmt: skip
@json_option
@with_settings
def rotate(settings: Settings, ident: str, clients: bool, grace: float, as_json: bool) -> None:
    """Give a key another secret, or clients another API key; the new key is shown once.

    With --clients the server's salt is replaced, at run time: `web.api_salt`. Keys that
    `web.api_keys` lists stay valid. Rotating again ends the grace of the time before.
    """
    if bool(ident) == clients:
        raise Unusable("give the ID of a key, or --clients")
    path = "/api-salt" if clients else f"/v1/keys/{quote(ident, safe='')}/rotate"

    async def work(door: Door) -> Any:
        taken = "somebody else has just rotated it, and nothing was changed"
        revoked = f"the key {ident!r} was revoked, or somebody else has just rotated it"
        with refusals(c404=f"there is no key {ident!r}", c409=taken if clients else revoked):
            return await door.post(path, {"grace": int(grace * 3600)})

    made = _done(settings, work)
    tell(made, made["apikey" if clients else "key"], as_json=as_json)


@key.command("revoke")
@click.argument("ident", metavar="ID")
@json_option
@with_settings
def revoke(settings: Settings, ident: str, as_json: bool) -> None:
    """End a key, at once."""

    async def work(door: Door) -> None:
        with refusals(c404=f"there is no key {ident!r}"):
            await door.delete("/v1/keys/" + quote(ident, safe=""))

    _done(settings, work)
    tell({"done": "revoked", "id": ident}, f"revoked: {ident}", as_json=as_json)


def _done(settings: Settings, work: Callable[[Door], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with acting(settings) as door:
            return await work(door)

    return trio.run(run)
