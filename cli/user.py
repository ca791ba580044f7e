"""`tinode-py user`: accounts, worked on through the store while the server is stopped."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
import trio

from tinode_py import ids
from tinode_py.access import Level

from .accounts import NewAccount, create, find, raise_to_root
from .offline import Database, opened
from .options import read_settings, settings_options

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def user() -> None:
    """Accounts. The server must be stopped."""


@user.command("create")
@click.argument("login")
@click.option("--name", default="", help="The name that others see.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@_JSON
@settings_options
def create_command(
    login: str,
    name: str,
    password_stdin: bool,
    as_json: bool,
    data: str | None,
    store: str | None,
    config: Path | None,
    sets: Sequence[str],
) -> None:
    """Make an account that logs in with LOGIN and a password."""
    settings = read_settings(config, sets, {"server.data": data, "server.store": store})
    wanted = NewAccount(
        user="usr" + ids.new_body(os.urandom),
        login=login,
        password=_password(from_stdin=password_stdin),
        name=name,
        now=time.time_ns() // 1_000_000,
    )

    async def work() -> Database:
        async with opened(settings) as database:
            await create(database.store, settings, wanted)
            return database

    database = trio.run(work)
    _tell("created", wanted.user, login, database, as_json=as_json)


@user.command("root")
@click.argument("login")
@_JSON
@settings_options
def root_command(
    login: str,
    as_json: bool,
    data: str | None,
    store: str | None,
    config: Path | None,
    sets: Sequence[str],
) -> None:
    """Let LOGIN act as root, from its next login on."""
    settings = read_settings(config, sets, {"server.data": data, "server.store": store})

    async def work() -> tuple[Database, str]:
        async with opened(settings) as database:
            row = await find(database.store, login)
            await raise_to_root(database.store, row)
            return database, row.user

    database, account = trio.run(work)
    _tell(Level.ROOT.text, account, login, database, as_json=as_json)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _tell(done: str, account: str, login: str, database: Database, *, as_json: bool) -> None:
    if as_json:
        told = {
            "done": done,
            "user": account,
            "login": login.lower(),
            "database": str(database.path),
        }
        click.echo(json.dumps(told))
    else:
        click.echo(f"{done}: {login.lower()} is {account} in {database.path}")
