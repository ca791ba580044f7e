"""Results as JSON and as Markdown, and the tables of docs/performance.md, made of the JSON.

The JSON holds, for each kind of benchmark that was ever taken, its last result: what was taken
today replaces what it was of the same kind, and nothing else.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .figures import FIGURES, Row, from_plain, plain, share
from .goals import GOALS, Goal

QUIET = 0.1  # share of the cores that others may use while something is measured
_MARKED = re.compile(r"(<!-- measured: ([\w-]+) -->\n)(.*?)(<!-- end -->)", re.S)
_MET = {True: "met", False: "**not met**", None: "not measured"}


@attrs.frozen
class Taken:
    """The result of one kind. `elsewhere`: share of all cores that other programs used."""

    rows: tuple[Row, ...]
    day: str
    machine: str
    elsewhere: float

    @classmethod
    def now(cls, rows: Sequence[Row], elsewhere: float) -> Taken:
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        return cls(tuple(rows), day, _machine(), elsewhere)

    @property
    def runs(self) -> int:
        return max((row.runs for row in self.rows), default=0)


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


# --- JSON --------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Taken]:
    """By kind; nothing where there is no file."""
    if not path.exists():
        return {}
    return {
        kind: Taken(
            tuple(map(from_plain, it["rows"])), it["day"], it["machine"], float(it["elsewhere"])
        )
        for kind, it in json.loads(path.read_text("utf-8")).items()
    }


def write(path: Path, taken: Mapping[str, Taken]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_plain(taken), indent=1, ensure_ascii=False) + "\n", "utf-8")


def _plain(taken: Mapping[str, Taken]) -> dict[str, Any]:
    return {
        kind: {
            "day": it.day,
            "machine": it.machine,
            "elsewhere": round(it.elsewhere, 3),
            "rows": [plain(row) for row in it.rows],
        }
        for kind, it in taken.items()
    }


# --- Markdown ----------------------------------------------------------------------------


def markdown(taken: Mapping[str, Taken]) -> str:
    """The whole report: goals first."""
    parts = ["## Goals", _goals(taken)]
    for kind, it in taken.items():
        parts += [f"## {kind}", _table(kind, it)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def filled(page: str, taken: Mapping[str, Taken]) -> str:
    """The page with what stands between its marks made anew."""

    def made(match: re.Match[str]) -> str:
        return f"{match[1]}{_between(match[2], taken)}{match[4]}"

    return _MARKED.sub(made, page)


def _between(kind: str, taken: Mapping[str, Taken]) -> str:
    if kind == "goals":
        return _goals(taken)
    return _table(kind, taken[kind]) if kind in taken else f"`{kind}`: not measured yet.\n"


def marks(page: str) -> list[str]:
    """What a page has a place for."""
    return [match[2] for match in _MARKED.finditer(page)]


def _goals(taken: Mapping[str, Taken]) -> str:
    rows = {kind: it.rows for kind, it in taken.items()}
    lines = ["| Goal | Bound | Measured | Runs | |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(_goal(goal, rows) for goal in GOALS)]) + "\n"


def _goal(goal: Goal, rows: Mapping[str, Sequence[Row]]) -> str:
    row, value, runs = goal.row(rows), "", ""
    if row is not None:
        value = FIGURES[goal.figure].written(row.value(goal.figure))
        runs = str(len(row.figures[goal.figure]))
        value += "".join(f" ({note})" for note in row.notes)
    met = _MET[goal.met(rows)]
    return f"| {goal.text} | {goal.bound()} | {value} | {runs} | {met} |"


def _table(kind: str, taken: Taken) -> str:
    names = [name for name in FIGURES if any(name in row.figures for row in taken.rows)]
    heads = ["Work", *(FIGURES[name].heading for name in names)]
    lines = [_line(heads), "|---" * len(heads) + "|"]
    lines += [_line([_work(row), *_cells(row, names)]) for row in taken.rows]
    runs = "one run" if taken.runs == 1 else f"medians of {taken.runs} runs"
    lines += ["", f"`{kind}`, {taken.day}: {taken.machine}; {runs}; {_beside(taken)}."]
    return "\n".join(lines) + "\n"


def _work(row: Row) -> str:
    return row.work + "".join(f"; {note}" for note in row.notes)


def _cells(row: Row, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        yield FIGURES[name].written(row.value(name)) if name in row.figures else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _beside(taken: Taken) -> str:
    if taken.elsewhere <= QUIET:
        return "nothing else ran"
    return (
        f"other programs used {share(taken.elsewhere)} of the cores, so that times are upper bounds"
    )
