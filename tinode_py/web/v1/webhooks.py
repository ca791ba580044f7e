"""Webhooks: made, changed, ended, looked at, sent again (docs/events.md).

Of several nodes one has them (`live/webhooks`): it is handed the requests of all.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from ...audit import Action
from ...hooks.address import Forbidden, check_url, is_allowed
from ...hooks.post import HookError
from ...live.events import WEBHOOKS
from ...live.webhooks import Busy, Told, TooMany, Webhooks
from ...queries_backend import DeadLettersOf
from ...records import Webhook
from ...wire.times import time_text
from . import shape_events as shape
from .backend import Call, Handler
from .handing import handed
from .problem import Problem


async def create_webhook(call: Call) -> shape.OneHook:
    hooks, wanted = _hooks(call), call.body
    _check(hooks, wanted.url)
    try:
        row = await hooks.create(
            wanted.url,
            wanted.kinds,
            wanted.topics,
            wanted.secret,
            active=wanted.active,
            told=_told(call, "webhook.create"),
        )
    except TooMany:
        raise Problem(409, f"there are {hooks.rules.most} webhooks already") from None
    return await _shown(hooks, row, secret=row.secret)


async def list_webhooks(call: Call) -> shape.HookList:
    hooks, page = _hooks(call), call.query
    after = _after(page.after)
    rows = [row for row in hooks.all() if row.id > after]
    shown = tuple([await _shown(hooks, row) for row in rows[: page.limit]])
    return shape.HookList(shown, str(shown[-1].id) if len(rows) > page.limit else "")


async def read_webhook(call: Call) -> shape.OneHook:
    hooks = _hooks(call)
    return await _shown(hooks, _hook(call, hooks))


async def change_webhook(call: Call) -> shape.OneHook:
    hooks, row = _hooks(call), _hook(call, _hooks(call))
    wanted = attrs.asdict(call.body, recurse=False)
    members = {name: value for name, value in wanted.items() if value is not None}
    if "url" in members:
        _check(hooks, call.body.url)
    told = _told(call, "webhook.change", changed=list(members))
    changed = await hooks.change(row.id, told, **members)
    if changed is None:
        raise _unknown(call)
    return await _shown(hooks, changed)


async def delete_webhook(call: Call) -> None:
    hooks = _hooks(call)
    if not await hooks.remove(_hook(call, hooks).id, _told(call, "webhook.delete")):
        raise _unknown(call)


async def list_dead_letters(call: Call) -> shape.DeadLetters:
    hooks, page = _hooks(call), call.query
    query = DeadLettersOf(_hook(call, hooks).id, _after(page.after), page.limit)
    rows = await call.backend.store.fetch(query)
    found = [
        shape.DeadLetter(
            row.event, row.kind, time_text(row.at), row.tries, row.error, msgspec.Raw(row.data)
        )
        for row in rows
    ]
    return shape.DeadLetters(tuple(found), str(rows[-1].event) if len(rows) == page.limit else "")


async def replay(call: Call) -> shape.Replayed:
    hooks, row = _hooks(call), _hook(call, _hooks(call))
    after = call.body.after
    if after is None:
        try:
            return shape.Replayed(await hooks.replay(row.id, _told(call, "webhook.replay")))
        except Busy:
            raise Problem(409, "its dead letters are being sent again already") from None
    bounds = await call.backend.events.journal.bounds()
    if not bounds.first - 1 <= after <= bounds.last:
        kept = f"{bounds.first} to {bounds.last}"
        raise Problem(409, f"`after`: the log has the events {kept}")
    if await hooks.change(row.id, _told(call, "webhook.replay", after=after), done=after) is None:
        raise _unknown(call)
    return shape.Replayed(0)


async def rotate_webhook(call: Call) -> shape.OneHook:
    hooks, row, wanted = _hooks(call), _hook(call, _hooks(call)), call.body
    told = _told(call, "webhook.rotate", grace=wanted.grace)
    rotated = await hooks.rotate(row.id, wanted.secret, wanted.grace * 1000, told)
    if rotated is None:
        raise _unknown(call)
    return await _shown(hooks, rotated, secret=rotated.secret)


async def test_webhook(call: Call) -> shape.Tried:
    hooks = _hooks(call)
    try:
        await hooks.try_out(_hook(call, hooks).id)
    except HookError as error:
        return shape.Tried(False, error.status, str(error))
    return shape.Tried(True, 200, "")


def _told(call: Call, action: Action, **detail: Any) -> Told:
    return lambda number: call.deed(action, str(number), **detail)


def _hooks(call: Call) -> Webhooks:
    call.caller.check_all()
    hooks = call.backend.events.webhooks
    hooks.check()
    return hooks


def _hook(call: Call, hooks: Webhooks) -> Webhook:
    text = call.path["id"]
    row = hooks.get(int(text)) if text.isascii() and text.isdigit() and len(text) < 17 else None
    if row is None:
        raise _unknown(call)
    return row


def _unknown(call: Call) -> Problem:
    return Problem(404, f"there is no webhook {call.path['id']!r}")


def _after(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 17):
        raise Problem.field("after", "wants `next` of the page before")
    return int(text or 0)


def _check(hooks: Webhooks, url: str) -> None:
    """What can be seen at once; what a name means is looked at with each request."""
    try:
        host = check_url(url)
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return
        if not is_allowed(address, hooks.networks):
            raise Forbidden(f"{host} is a private address: see webhooks.networks")
    except Forbidden as error:
        raise Problem.field("url", str(error)) from None


async def _shown(hooks: Webhooks, row: Webhook, secret: str = "") -> shape.OneHook:
    members: dict[str, Any] = {
        name: getattr(row, name) for name in ("id", "url", "kinds", "topics", "active", "done")
    }
    failing = time_text(row.failing) if row.failing else None
    dead = await hooks.dead(row.id)
    former = time_text(row.former_until) if row.former else None
    return shape.OneHook(**members, secret=secret, failing=failing, dead=dead, former_until=former)


HERE: Mapping[str, Handler] = {
    "createWebhook": create_webhook,
    "listWebhooks": list_webhooks,
    "readWebhook": read_webhook,
    "changeWebhook": change_webhook,
    "deleteWebhook": delete_webhook,
    "listDeadLetters": list_dead_letters,
    "replay": replay,
    "rotateWebhook": rotate_webhook,
    "testWebhook": test_webhook,
}
# Of several nodes one has the webhooks.
HANDLERS = {operation: handed(WEBHOOKS, operation, handler) for operation, handler in HERE.items()}
