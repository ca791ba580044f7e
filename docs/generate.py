"""Writes the pages of this folder that are made from the code: `python docs/generate.py`.

A test holds them equal to what this writes.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import attrs

from tinode_py.config import Settings
from tinode_py.runtime import is_live
from tinode_py.settings.keys import MAX_NUMBER

HERE = Path(__file__).parent

CONFIGURATION = """\
# Configuration

Every key has a default, so that no configuration is needed to begin. Values come from, in
rising precedence:

1. a TOML file: `tinode-py serve --config server.toml`
2. the environment: `TINODE_LIMITS__MESSAGE_SIZE=65536` (`TINODE_`, then the key in capitals,
   two underscores for each dot; other variables that begin with `TINODE_` are not read)
3. `--set limits.message_size=65536`, and options of their own such as `--listen`

A value from the environment or from `--set` is read as TOML if it parses, else as text.
4. `tinode-py config set limits.message_size=65536`: at run time, at once, kept in the store
   until `config unset`

The column *Run time* says which keys may be set at run time; the others are read when the
server starts. Limits of connections count for those that begin afterwards. On SIGHUP the
server reads its file and the store again: keys that may change at run time do, and the log
names those that have changed and need a restart. Secrets that are set so are in the database.

An unknown key, a wrong type or a number out of bounds ends the command with exit code 2 and
a line that names the key. An empty text or list means "none".
"""


def configuration() -> str:
    """`configuration.md`: a table of keys per section."""
    return CONFIGURATION + "".join(_section(Settings, ""))


def _section(cls: type, path: str) -> Iterator[str]:
    hints = typing.get_type_hints(cls)
    tables = []
    rows = []
    for field in attrs.fields(cls):
        if attrs.has(hints[field.name]):
            tables.append(field)
        else:
            rows.append(_row(field, hints[field.name], path))
    if rows:
        yield "\n| Key | Type | Default | Run time | Meaning |\n|---|---|---|---|---|\n" + "".join(
            rows
        )
    for field in tables:
        dotted = f"{path}.{field.name}" if path else field.name
        yield f"\n{'#' * (2 + dotted.count('.'))} `[{dotted}]`\n\n{field.metadata['about']}\n"
        yield from _section(hints[field.name], dotted)


def _row(field: attrs.Attribute[Any], hint: Any, path: str) -> str:
    about = field.metadata["about"].replace("|", "\\|")
    unit = f" In {field.metadata['unit']}." if field.metadata["unit"] else ""
    bounds = _bounds(field) if hint in (int, float) else ""
    default = _toml(field.default)
    live = "yes" if is_live(f"{path}.{field.name}") else "restart"
    return f"| `{field.name}` | {_type(hint)} | {default} | {live} | {about}{unit}{bounds} |\n"


def _bounds(field: attrs.Attribute[Any]) -> str:
    low, high = field.metadata["low"], field.metadata["high"]
    if high != MAX_NUMBER:
        return f" From {low} to {high}."
    return f" At least {low}." if low else ""


def _type(hint: Any) -> str:
    names = {int: "whole number", float: "number", bool: "true or false", str: "text"}
    if hint in names:
        return names[hint]
    if typing.get_origin(hint) is Literal:
        return " \\| ".join(f"`{choice}`" for choice in typing.get_args(hint))
    return "list of " + ("tables" if attrs.has(item := typing.get_args(hint)[0]) else _items(item))


def _items(hint: Any) -> str:
    return "texts" if hint is str else _type(hint)


def _toml(value: Any) -> str:
    match value:
        case bool():
            text = str(value).lower()
        case str():
            text = f'"{value}"' if value else ""
        case tuple():
            text = "[" + ", ".join(f'"{item}"' for item in value) + "]" if value else ""
        case _:
            text = str(value)
    return f"`{text}`" if text else "none"


PAGES = {"configuration.md": configuration}


def main() -> None:
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
