"""`tinode-py topic`: groups, channels and conversations."""

from __future__ import annotations

from typing import Any

import click

from tinode_py import ids
from tinode_py.config import Settings
from tinode_py.store.browse import Browser

from .door import Door, refusals, through
from .failure import Failure, Unusable
from .look import account_of, looking, topic_of
from .options import json_option, with_settings
from .output import facts, show, tell

_COLUMNS = ("topic", "name", "owner", "members", "readers", "seq", "created", "touched")
_MEMBERS = ("user", "login", "name", "mode", "reader", "read", "recv", "created")


@click.group()
def topic() -> None:
    """Groups, channels, conversations. TOPIC is a name as `topic list` shows it."""


@topic.command("list")
@click.argument("words", default="")
@click.option("--kind", type=click.Choice(["grp", "p2p", "slf", "sys"]), default=None)
@click.option("--member", default="", metavar="WHO", help="Those that somebody is in.")
@click.option("--limit", type=click.IntRange(1), default=None, metavar="N")
@json_option
@with_settings
def list_(
    settings: Settings,
    words: str,
    kind: str | None,
    member: str,
    limit: int | None,
    as_json: bool,
) -> None:
    """Topics in order of their making; WORDS narrows by name or tag."""
    with looking(settings) as browser:
        user = account_of(browser, member) if member else ""
        show(browser.topics(user, words, kind or "", limit or 0), _COLUMNS, as_json=as_json)


@topic.command("show")
@click.argument("name", metavar="TOPIC")
@json_option
@with_settings
def show_(settings: Settings, name: str, as_json: bool) -> None:
    """All about one topic but its messages."""
    with looking(settings) as browser:
        found = browser.topic(topic_of(browser, name))
    assert found is not None
    facts(found, as_json=as_json)


@topic.command("members")
@click.argument("name", metavar="TOPIC")
@json_option
@with_settings
def members(settings: Settings, name: str, as_json: bool) -> None:
    """Who is in a topic, and who reads its channel."""
    with looking(settings) as browser:
        show(browser.members(topic_of(browser, name)), _MEMBERS, as_json=as_json)


@topic.command("set-owner")
@click.argument("name", metavar="TOPIC")
@click.argument("who")
@json_option
@with_settings
def set_owner(settings: Settings, name: str, who: str, as_json: bool) -> None:
    """Hand a group over. WHO becomes a member if he is none; the old owner stays one."""
    with looking(settings) as browser:
        group, user = topic_of(browser, name), account_of(browser, who)
        owner = _owner(browser, group)
    if owner == user:
        raise Failure(f"{who} owns {group} already")

    async def work(door: Door) -> None:
        with refusals():
            async with door.attached(group, owner):
                chosen = {"user": user, "mode": "JRWPASDO"}
                await door.ask({"set": {"topic": group, "sub": chosen}}, user=owner)
            async with door.attached(group, user):
                accepts = {"set": {"topic": group, "sub": {"mode": "JRWPASDO"}}}
                await door.ask(accepts, user=user)

    door, _ = through(settings, work)
    told = {"done": "owner changed", "topic": group, "owner": user, "before": owner, **door.told}
    tell(told, f"{group} is owned by {user}, before by {owner}, {door.where}", as_json=as_json)


@topic.command("publish")
@click.argument("name", metavar="TOPIC")
@click.argument("who", type=click.Choice(["clients", "backend"]))
@json_option
@with_settings
def publish(settings: Settings, name: str, who: str, as_json: bool) -> None:
    """Say who publishes in a group or a conversation: its clients, or the back end alone."""
    with looking(settings) as browser:
        found = topic_of(browser, name)

    async def work(door: Door) -> None:
        with refusals():
            await door.patch(f"/v1/topics/{found}", {"publish": who == "clients"})

    door, _ = through(settings, work)
    told: dict[str, Any] = {"done": "publishing", "topic": found, "by": who, **door.told}
    done = "clients publish" if who == "clients" else "the back end alone publishes"
    tell(told, f"in {found} {done} {door.where}", as_json=as_json)


@topic.command("retention")
@click.argument("name", metavar="TOPIC")
@click.option("--days", type=click.IntRange(1, 36_500), help="Keep messages for so long.")
@click.option("--forever", is_flag=True, help="Keep them, whatever the settings say.")
@click.option("--default", "usual", is_flag=True, help="As `messages.retention_days` says.")
@json_option
@with_settings
def retention(
    settings: Settings, name: str, days: int | None, forever: bool, usual: bool, as_json: bool
) -> None:
    """How long a topic keeps its messages; with an option, from now on.

    Older ones are deleted for all, a few hundred at a time: within the hour, or when the server
    starts.
    """
    given = sum((days is not None, forever, usual))
    if given > 1:
        raise Unusable("give one of --days, --forever and --default")
    with looking(settings) as browser:
        found = topic_of(browser, name)
        if found[:3] not in ("grp", "p2p", "slf", "sys"):
            raise Failure(f"{found} keeps no messages")
        kept = browser.retention(found)
    if not given:
        told = {"topic": found, "days": kept}
        tell(told, f"{found}: {_kept(kept)}", as_json=as_json)
        return
    wanted = None if usual else days or 0

    async def work(door: Door) -> None:
        with refusals(c404=f"there is no topic {name!r}"):
            await door.post("/retention", {"topic": found, "days": wanted})

    door, _ = through(settings, work)
    told = {"done": "retention", "topic": found, "days": wanted, **door.told}
    tell(told, f"{found}: {_kept(wanted)} {door.where}", as_json=as_json)


def _kept(days: int | None) -> str:
    if days is None:
        return "messages are kept as messages.retention_days says"
    return f"messages are kept for {days} days" if days else "messages are kept for ever"


@topic.command("delete")
@click.argument("name", metavar="TOPIC")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@with_settings
def delete(settings: Settings, name: str, yes: bool, as_json: bool) -> None:
    """Delete a group or a conversation of two for all, with its messages."""
    with looking(settings) as browser:
        found = topic_of(browser, name)
        asking = _who_deletes(browser, found)
    if not yes:
        click.confirm(f"Delete {found} with its messages?", abort=True, err=True)

    async def work(door: Door) -> None:
        for user, address in asking:
            with refusals():
                await door.ask(
                    {"del": {"what": "topic", "topic": address, "hard": True}}, user=user
                )

    door, _ = through(settings, work)
    told: dict[str, Any] = {"done": "deleted", "topic": found, **door.told}
    tell(told, f"deleted: {found} {door.where}", as_json=as_json)


def _owner(browser: Browser, group: str) -> str:
    if not ids.is_group(group):
        raise Failure(f"{group} is no group")
    row = browser.topic(group)
    owner = str(row["owner"]) if row else ""
    if not owner or browser.user_named(owner) is None:
        raise Failure(f"{group} has no owner")
    return owner


def _who_deletes(browser: Browser, topic: str) -> list[tuple[str, str]]:
    """For whom to ask, one after the other, and what each of them calls the topic."""
    match topic[:3]:
        case "grp":
            return [(_owner(browser, topic), topic)]
        case "p2p":
            there = [row["user"] for row in browser.members(topic)]
            return [(user, ids.p2p_peer(topic, user)) for user in there]
        case _:
            raise Failure(f"{topic} is not for deleting: it ends with its account, or never")
