"""`tinode-py message`: what was said, and saying or taking back something."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from typing import Any

import click

from tinode_py import ids
from tinode_py.config import Settings
from tinode_py.store.browse import Browser, Wanted

from .door import Door, refusals, through
from .failure import Failure, Unusable
from .look import account_of, looking, time_of, topic_of
from .options import json_option, with_settings
from .output import show, tell

_COLUMNS = ("topic", "seq", "ts", "sender", "text")
_RANGE = re.compile(r"(\d{1,10})(?:-(\d{1,10}))?")
_LARGEST = 16 * 1024 * 1024  # bytes of standard input


@click.group()
def message() -> None:
    """Messages: send, look at, search, delete for all."""


@message.command("send")
@click.argument("to")
@click.argument("text")
@click.option("--from", "sender", required=True, metavar="WHO", help="In whose name.")
@click.option("--raw", is_flag=True, help="TEXT is JSON: formatted text, for instance.")
@json_option
@with_settings
def send(settings: Settings, to: str, text: str, sender: str, raw: bool, as_json: bool) -> None:
    """Send TEXT (`-`: standard input) to a person (WHO) or into a topic, in somebody's name.

    The message carries the sign that the operator sent it (`head.sender`).
    """
    content = _content(sys.stdin.read(_LARGEST).rstrip("\n") if text == "-" else text, raw=raw)
    with looking(settings) as browser:
        user = account_of(browser, sender)
        address = _address(browser, to, user)

    async def work(door: Door) -> int:
        packet = {"pub": {"topic": address, "content": content, "noecho": True}}
        with refusals(c403=f"{sender} may not write there", c404="there is nobody to write to"):
            async with contextlib.AsyncExitStack() as stack:
                if address != "sys":  # which takes messages from outside
                    await stack.enter_async_context(door.attached(address, user))
                return int((await door.ask(packet, user=user)).params["seq"])

    door, seq = through(settings, work)
    name = ids.p2p_name(user, address) if address.startswith("usr") else address
    told = {"done": "sent", "topic": name, "seq": seq, **door.told}
    tell(told, f"sent: number {seq} in {name} {door.where}", as_json=as_json)


@message.command("history")
@click.argument("name", metavar="TOPIC")
@click.option("--limit", type=click.IntRange(1), default=100, metavar="N", show_default=True)
@click.option("--since", default="", metavar="TIME", help="2026-01-31 or 2026-01-31T12:00, UTC.")
@click.option("--until", default="", metavar="TIME")
@json_option
@with_settings
def history(
    settings: Settings, name: str, limit: int, since: str, until: str, as_json: bool
) -> None:
    """The last messages of a topic, the oldest first."""
    times = time_of(since, "--since"), time_of(until, "--until")
    with looking(settings) as browser:
        wanted = Wanted(topic_of(browser, name), "", *times, limit=limit)
        _show(browser, wanted, as_json=as_json)


@message.command("search")
@click.argument("text", default="")
@click.option("--topic", "name", default="", metavar="TOPIC")
@click.option("--from", "sender", default="", metavar="WHO")
@click.option("--since", default="", metavar="TIME", help="2026-01-31 or 2026-01-31T12:00, UTC.")
@click.option("--until", default="", metavar="TIME")
@click.option("--limit", type=click.IntRange(1), default=100, metavar="N", show_default=True)
@json_option
@with_settings
def search(
    settings: Settings,
    text: str,
    name: str,
    sender: str,
    since: str,
    until: str,
    limit: int,
    as_json: bool,
) -> None:
    """The newest messages that hold TEXT, in any case; of a topic, a person, a time."""
    times = time_of(since, "--since"), time_of(until, "--until")
    with looking(settings) as browser:
        topic = topic_of(browser, name) if name else ""
        user = account_of(browser, sender) if sender else ""
        _show(browser, Wanted(topic, user, *times, text, limit), as_json=as_json)


@message.command("delete")
@click.argument("name", metavar="TOPIC")
@click.argument("numbers", nargs=-1, required=True)
@json_option
@with_settings
def delete(settings: Settings, name: str, numbers: tuple[str, ...], as_json: bool) -> None:
    """Delete messages for all, by number: 5, or 7-9. Their content is wiped."""
    ranges = [_range(text) for text in numbers]
    with looking(settings) as browser:
        topic = topic_of(browser, name)
        user, address = _somebody(browser, topic)

    async def work(door: Door) -> None:
        packet = {"del": {"what": "msg", "topic": address, "hard": True, "delseq": ranges}}
        with refusals(c400=f"{topic} has no such numbers"):
            async with door.attached(address, user):
                await door.ask(packet, user=user, root=True)

    door, _ = through(settings, work)
    told = {"done": "deleted", "topic": topic, "delseq": ranges, **door.told}
    tell(told, f"deleted: {', '.join(numbers)} in {topic} {door.where}", as_json=as_json)


def _show(browser: Browser, wanted: Wanted, *, as_json: bool) -> None:
    rows = browser.messages(wanted)
    if not as_json:
        rows = ({**row, "text": _text(row["content"])} for row in rows)
    show(rows, _COLUMNS, as_json=as_json)


def _text(content: Any) -> str:
    """One line of what a message says."""
    if isinstance(content, dict) and isinstance(content.get("txt"), str):
        content = content["txt"]
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _content(text: str, *, raw: bool) -> Any:
    if not raw:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise Unusable(f"--raw: not JSON: {error}") from None


def _address(browser: Browser, to: str, user: str) -> str:
    """What `user` calls the person or topic `to`; Failure if he is not in it."""
    if to == "sys":
        return to
    if to[:3] not in ("grp", "chn", "p2p"):
        peer = account_of(browser, to)
        return "slf" if peer == user else peer
    topic = topic_of(browser, to)
    if user not in (row["user"] for row in browser.members(topic) if not row["reader"]):
        raise Failure(f"{user} is not in {topic}")
    return ids.p2p_peer(topic, user) if topic.startswith("p2p") else topic


def _somebody(browser: Browser, topic: str) -> tuple[str, str]:
    """A member, the owner if there is one, in whose place to act; what he calls the topic."""
    there = [row["user"] for row in browser.members(topic) if not row["reader"]]
    owner = (browser.topic(topic) or {}).get("owner")
    if not there:
        raise Failure(f"{topic} has no members through whom it could be reached")
    user = str(owner if owner in there else there[0])
    match topic[:3]:
        case "p2p":
            return user, ids.p2p_peer(topic, user)
        case "slf":
            return user, "slf"
        case _:
            return user, topic


def _range(text: str) -> dict[str, int]:
    found = _RANGE.fullmatch(text)
    if not found or (found[2] and int(found[2]) < int(found[1])) or int(found[1]) < 1:
        raise Unusable(f"{text!r} is no message number: write 5, or 7-9")
    low = int(found[1])
    return {"low": low, "hi": int(found[2]) + 1} if found[2] else {"low": low}
