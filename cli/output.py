"""What commands print: for people aligned columns, for programs one JSON object a line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

Row = Mapping[str, Any]


def tell(row: Row, text: str, *, as_json: bool) -> None:
    """The result of a command: the object, or a sentence for people."""
    click.echo(json_line(row) if as_json else text)


def show(rows: Iterable[Row], columns: Sequence[str], *, as_json: bool) -> None:
    """A list: an object a line, as they come; or a table of `columns`, once all are there."""
    if as_json:
        for row in rows:
            click.echo(json_line(row))
        return
    cells = [[_cell(name, row.get(name)) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in [list(columns), *cells]:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def facts(row: Row, *, as_json: bool) -> None:
    """One thing, a line for each member; those that are empty are left out for people."""
    if as_json:
        click.echo(json_line(row))
        return
    width = max(map(len, row), default=0)
    for name, value in row.items():
        if value not in (None, "", [], {}):
            click.echo(f"{name.ljust(width)}  {_cell(name, value)}")


def aside(text: str) -> None:
    """Something for people only, on standard error, so that standard output stays data."""
    click.echo(text, file=sys.stderr)


def json_line(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False)


def moment(ms: int) -> str:
    """A time in UTC, to the second; a dash for never."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ms / 1000)) if ms else "-"


# Of all tables those that people ask for.
MAIN = ("account", "topic", "subscription", "message")


def main_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {counts[name]}" for name in MAIN)


_TIMES = frozenset({"created", "updated", "touched", "seen", "last_seen", "ts", "deleted"})


def _cell(name: str, value: Any) -> str:
    """One line of printable text: what people wrote must not steer the terminal."""
    if name in _TIMES and isinstance(value, int):
        return moment(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        value = ", ".join(value)
    elif isinstance(value, list | dict):
        value = json.dumps(value, ensure_ascii=False)
    text = "-" if value in (None, "") else str(value)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
