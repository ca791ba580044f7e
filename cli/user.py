"""`tinode-py user`: accounts. What changes one takes the server's own way, running or not."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Any

import click

from tinode_py.access import Level
from tinode_py.auth.basic import MAX_PASSWORD
from tinode_py.client import ClientError
from tinode_py.config import Settings
from tinode_py.media.made import stock_of

from .door import Door, refusals, through
from .failure import Failure
from .look import account_of, looking, named
from .options import json_option, with_settings
from .output import aside, facts, json_line, show, tell
from .uploads import UPLOADS_OF, Carried, copy_into

_PASSWORD_STDIN = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)
_YES = click.option("--yes", is_flag=True, help="Do not ask.")
_COLUMNS = ("user", "login", "name", "state", "level", "created", "last_seen")


@click.group()
def user() -> None:
    """Accounts: make, look at, suspend, delete. WHO is a login or a number (usr…)."""


@user.command("create")
@click.argument("login")
@click.option("--name", default="", help="The name that others see.")
@_PASSWORD_STDIN
@json_option
@with_settings
def create(settings: Settings, login: str, name: str, password_stdin: bool, as_json: bool) -> None:
    """Make an account that logs in with LOGIN and a password."""
    secret = _secret(login, _password(from_stdin=password_stdin))
    acc: dict[str, Any] = {"user": "new", "scheme": "basic", "secret": secret}
    if name:
        acc["desc"] = {"public": {"fn": name}}

    async def work(door: Door) -> str:
        try:
            return str((await door.ask({"acc": acc})).params["user"])
        except ClientError as error:
            raise _refused(error, login.lower()) from None

    door, account = through(settings, work)
    _tell("created", account, login, door, as_json=as_json)


@user.command("list")
@click.argument("words", default="")
@click.option("--state", type=click.Choice(["ok", "susp", "undef", "del"]), default=None)
@click.option("--limit", type=click.IntRange(1), default=None, metavar="N")
@json_option
@with_settings
def list_(
    settings: Settings, words: str, state: str | None, limit: int | None, as_json: bool
) -> None:
    """Accounts in order of their making; WORDS narrows by login, name or tag."""
    with looking(settings) as browser:
        found = browser.users(words, state or "", limit or 0)
        show(found, _COLUMNS, as_json=as_json)


@user.command("show")
@click.argument("who")
@json_option
@with_settings
def show_(settings: Settings, who: str, as_json: bool) -> None:
    """All about one account but its messages."""
    with looking(settings) as browser:
        found = browser.user(account_of(browser, who))
    assert found is not None
    if not as_json:
        found["topics"] = [row["topic"] for row in found["topics"]]
    facts(found, as_json=as_json)


@user.command("passwd")
@click.argument("who")
@_PASSWORD_STDIN
@json_option
@with_settings
def passwd(settings: Settings, who: str, password_stdin: bool, as_json: bool) -> None:
    """Give an account another password. Its tokens are void, its sessions are closed."""
    password = _password(from_stdin=password_stdin)

    async def work(door: Door) -> tuple[str, str]:
        account, login = named(settings, who)
        acc = {"user": account, "scheme": "basic", "secret": _secret("", password)}
        try:
            await door.ask({"acc": acc})
        except ClientError as error:
            raise _refused(error, login) from None
        return account, login

    door, (account, login) = through(settings, work)
    _tell("password changed", account, login, door, as_json=as_json)


@user.command("suspend")
@click.argument("who")
@json_option
@with_settings
def suspend(settings: Settings, who: str, as_json: bool) -> None:
    """Close an account's sessions and let it log in no more. Nothing is lost."""
    _set_state(settings, who, "susp", "suspended", as_json=as_json)


@user.command("activate")
@click.argument("who")
@json_option
@with_settings
def activate(settings: Settings, who: str, as_json: bool) -> None:
    """Take a suspension back."""
    _set_state(settings, who, "ok", "active", as_json=as_json)


def _set_state(settings: Settings, who: str, state: str, done: str, *, as_json: bool) -> None:
    async def work(door: Door) -> tuple[str, str]:
        account, login = named(settings, who)
        with refusals(c404=f"the account of {who!r} is deleted"):
            reply = await door.ask({"acc": {"user": account, "status": state}})
        if reply.code == 304:
            aside(f"{who} was {done} before")
        return account, login

    door, (account, login) = through(settings, work)
    _tell(done, account, login, door, as_json=as_json)


@user.command("delete")
@click.argument("who")
@click.option("--hard", is_flag=True, help="Remove the row as well (docs/operating.md).")
@_YES
@json_option
@with_settings
def delete(settings: Settings, who: str, hard: bool, yes: bool, as_json: bool) -> None:
    """Delete an account, with the groups that it owns."""
    if not yes:
        click.confirm(f"Delete {who} and the groups that it owns?", abort=True, err=True)

    async def work(door: Door) -> tuple[str, str]:
        account, login = named(settings, who)
        with refusals(c404=f"the account of {who!r} is deleted already"):
            await door.ask({"del": {"what": "user", "user": account, "hard": hard}})
        return account, login

    door, (account, login) = through(settings, work)
    _tell("deleted", account, login, door, as_json=as_json)


@user.command("root")
@click.argument("login")
@click.option("--revoke", is_flag=True, help="Take root's rights away.")
@json_option
@with_settings
def root(settings: Settings, login: str, revoke: bool, as_json: bool) -> None:
    """Let LOGIN act as root, from its next login with the password on."""
    level = Level.AUTH if revoke else Level.ROOT
    body = {"scheme": "basic", "login": login.lower(), "level": int(level)}

    async def work(door: Door) -> str:
        with refusals(c404=f"nobody has the login {login!r}"):
            account = str((await door.post("/level", body))["user"])
            if revoke:  # his tokens say root still
                await _end_sessions(door, account)
        return account

    door, account = through(settings, work)
    _tell(level.text, account, login, door, as_json=as_json)


@user.command("export")
@click.argument("who")
@click.option(
    "--files",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Also copy what was uploaded into the new folder DIR, by the ids of the uploads.",
)
@with_settings
def export(settings: Settings, who: str, files: Path | None) -> None:
    """All that is kept of one person, as JSON, an object a line: {"kind": …, "row": …}.

    Left out is what opens doors: hashes of passwords, codes. Texts that others wrote are others'.
    """
    with looking(settings) as browser:
        account = account_of(browser, who)
        carried = Carried(stock_of(settings)) if files else None
        if files and carried:
            copy_into(files, browser.values(UPLOADS_OF, (account,)), carried)
        for kind, row in browser.person(account):
            click.echo(json_line({"kind": kind, "row": row}))
    for line in carried.said() if carried else ():
        aside(line)


async def _end_sessions(door: Door, account: str) -> None:
    await door.ask({"del": {"what": "session", "session": "*"}}, user=account)


def _refused(error: ClientError, login: str) -> Failure:
    """In words that an operator can act on."""
    match error.code, error.params.get("what"):
        case 409, _:
            return Failure(f"the login {login!r} is taken")
        case 422, "auth":
            return Failure(f"{login!r} cannot be a login: see auth.basic.min_login")
        case 422, _:
            return Failure("the password is too short or too long: see auth.basic.min_password")
        case 404, _:
            return Failure(f"{login!r} has no login with a password")
        case 400, _:
            return Failure("nobody logs in with a password here: see auth.logical_names")
        case _:
            return Failure(f"refused: {error}")


def _password(*, from_stdin: bool) -> str:
    """Asked for twice, or a line of standard input; never an argument, which others can see."""
    if from_stdin:
        return sys.stdin.readline(16 * MAX_PASSWORD).rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def _secret(login: str, password: str) -> str:
    return base64.b64encode(f"{login}:{password}".encode()).decode("ascii")


def _tell(done: str, account: str, login: str, door: Door, *, as_json: bool) -> None:
    told = {"done": done, "user": account, "login": login.lower(), **door.told}
    tell(told, f"{done}: {login.lower()} is {account} {door.where}", as_json=as_json)
