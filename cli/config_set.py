"""`tinode-py config set` and `config unset`: settings at run time, kept in the store."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click
import trio

from tinode_py.client import ClientError
from tinode_py.config import ConfigError, Settings
from tinode_py.runtime import check_live

from .door import Door, acting
from .failure import Unusable
from .options import json_option, with_settings
from .output import tell

_LONGEST = 65_536  # characters of a value on standard input


@click.command("set")
@click.argument("items", metavar="KEY=VALUE...", nargs=-1, required=True)
@json_option
@with_settings
def set_(settings: Settings, items: Sequence[str], as_json: bool) -> None:
    """Change settings at once, all or none; they hold until `config unset`, over restarts.

    They go before the file, the environment and --set. A value that is a dash is read from a
    line of standard input, as secrets are given. What needs a restart is refused and says so.
    """
    door, told = _asked(settings, {"set": list(map(_filled, items))})
    values = ", ".join(f"{name} = {_plain(value)}" for name, value in told["set"].items())
    tell({"done": "set", "set": told["set"], **door.told}, f"set: {values} {door.where}",
         as_json=as_json)  # fmt: skip


@click.command("unset")
@click.argument("names", metavar="KEY...", nargs=-1, required=True)
@json_option
@with_settings
def unset(settings: Settings, names: Sequence[str], as_json: bool) -> None:
    """Forget what `config set` has set: the file, the environment and --set count again."""
    door, told = _asked(settings, {"unset": list(names)})
    gone = told["unset"]
    missing = [name for name in names if name not in gone]
    if missing:
        raise Unusable(f"{missing[0]}: not set at run time")
    tell({"done": "unset", "unset": gone, **door.told}, f"unset: {', '.join(gone)} {door.where}",
         as_json=as_json)  # fmt: skip


def _filled(item: str) -> str:
    name, equals, value = item.partition("=")
    if not equals:
        raise ConfigError(name.strip(), "wants key=value")
    check_live([name.strip()], Settings())
    return name + "=" + (sys.stdin.readline(_LONGEST).rstrip("\r\n") if value == "-" else value)


def _asked(settings: Settings, body: Mapping[str, Any]) -> tuple[Door, dict[str, Any]]:
    async def run() -> tuple[Door, dict[str, Any]]:
        async with acting(settings, bare=True) as door:
            try:
                return door, await door.post("/settings", body)
            except ClientError as error:
                raise Unusable(error.text) from None

    return trio.run(run)


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
