"""`tinode-py push`: whether notifications leave the house."""

from __future__ import annotations

import time

import click
import trio

from tinode_py.config import Settings
from tinode_py.push.base import Push, PushError, Recipient
from tinode_py.push.made import pushers
from tinode_py.records import Device

from .failure import Failure
from .look import account_of, looking
from .options import json_option, with_settings
from .output import show


@click.group()
def push() -> None:
    """Notifications to devices (docs/push.md)."""


@push.command("test")
@click.argument("who")
@click.option("--text", default="A test of notifications.", show_default=True)
@json_option
@with_settings
def test(settings: Settings, who: str, text: str, as_json: bool) -> None:
    """Send a notification to the devices of WHO by every way that the settings name.

    It goes straight out, past the server; one attempt each. Exit code 1 if one was refused.
    """
    with looking(settings) as browser:
        user = account_of(browser, who)
        rows = browser.rows("SELECT * FROM device WHERE user = ? ORDER BY seen DESC", (user,))
        devices = tuple(Device(**row) for row in rows)
    payload = {"what": "msg", "content": text, "mime": "text/plain", "xfrom": user}
    notification = Push(payload, (Recipient(user, "me", False, 0, devices),))
    found = trio.run(_sent, settings, notification)
    if not found:
        raise Failure("no way out is set: see push.webhook.url, push.gateway.org, push.stdout")
    for row in found:
        row["devices"] = len(devices)
    show(found, ("way", "devices", "result"), as_json=as_json)
    if any(row["result"] != "sent" for row in found):
        raise Failure("not all ways took it")


async def _sent(settings: Settings, notification: Push) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    async with pushers(settings.push, lambda: time.time_ns() // 1_000_000) as ways:
        for way in ways:
            try:
                gone = await way.push([notification])
            except PushError as error:
                result = str(error)
            else:
                result = f"sent; gone: {', '.join(gone)}" if gone else "sent"
            found.append({"way": way.name, "result": result})
    return found
