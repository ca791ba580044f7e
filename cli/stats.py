"""`tinode-py stats`: figures, once or drawn anew."""

from __future__ import annotations

import time
from typing import Any

import click
import trio

from tinode_py.client import ClientError
from tinode_py.config import Settings

from .door import Door, acting
from .failure import Failure
from .look import looking
from .options import json_option, with_settings
from .output import json_line, main_counts


@click.command()
@click.option("--watch", type=click.FloatRange(0.1), metavar="SECONDS", help="Again and again.")
@click.option("--count", type=click.IntRange(1), metavar="N", help="So many times, with --watch.")
@json_option
@with_settings
def stats(settings: Settings, watch: float | None, count: int | None, as_json: bool) -> None:
    """How much there is, and, if a server runs, what it does now."""
    rounds = count or (2**31 if watch else 1)

    async def work() -> None:
        async with acting(settings) as door:
            for number in range(rounds):
                if number:
                    await trio.sleep(watch or 1.0)
                _draw(await _figures(door, settings), clear=bool(watch), as_json=as_json)

    try:
        trio.run(work)
    except ClientError as error:
        raise Failure(f"the server is gone: {error}") from None


async def _figures(door: Door, settings: Settings) -> dict[str, Any]:
    with looking(settings) as browser:
        stored = browser.counts()
    figures = {"ts": time.time_ns() // 1_000_000, "stored": stored}
    if door.process is not None:
        figures["server"] = await door.get("/statistics")
    return figures


def _draw(figures: dict[str, Any], *, clear: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json_line(figures))
        return
    if clear:
        click.clear()
    server = figures.get("server")
    click.echo("no server runs" if server is None else f"server: process {server['process']}")
    for name, part in (server or {}).items():
        if isinstance(part, dict):
            click.echo(f"{name}: " + ", ".join(f"{key} {value}" for key, value in part.items()))
    click.echo(f"stored: {main_counts(figures['stored'])}")
