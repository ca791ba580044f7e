"""What a measurement comes to: rows of figures, several runs of each; and what a figure is.

A row is one piece of work. A kind of benchmark gives the same rows, with one value for each
figure, in every run; runs are kept side by side, and what is shown is their median.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs


@attrs.frozen
class Figure:
    """A column: its heading, and how a value is written."""

    heading: str
    written: Callable[[float], str]


def share(value: float) -> str:
    return f"{value * 100:.1f} %" if 0 < value < 0.1 else f"{value * 100:.0f} %"


def times(value: float) -> str:
    return f"{value:.2f} ×"


def number(value: float) -> str:
    return f"{value:,.0f}"


def _unit(unit: str, places: int = 1) -> Callable[[float], str]:
    def written(value: float) -> str:
        fine = places if abs(value) < 100 else 0
        return f"{value:,.{fine}f} {unit}"

    return written


_us, _ms, _s, _kb, _mb = map(_unit, ("µs", "ms", "s", "KB", "MB"))

# In the order of columns.
FIGURES: Mapping[str, Figure] = {
    "count": Figure("count", number),
    "rate_share": Figure("rate beside raw", share),
    "cost_share": Figure("raw cost beside ours", share),
    "cost": Figure("CPU per unit", _us),
    "raw_cost": Figure("raw", _us),
    "naive_cost": Figure("naive", _us),
    "rate": Figure("per second", number),
    "raw_rate": Figure("raw per second", number),
    "naive_rate": Figure("naive per second", number),
    "share": Figure("share", share),
    "times": Figure("ratio", times),
    "seconds": Figure("takes", _unit("s", 2)),
    "answered": Figure("of that after `listening`", _ms),
    "cold": Figure("file not in memory", _unit("s", 2)),
    "offered": Figure("offered", number),
    "unsent": Figure("held back by TCP", number),
    "accepted": Figure("202", number),
    "refused": Figure("503", number),
    "lost": Figure("neither, or not delivered", number),
    "errors": Figure("errors", number),
    "drained": Figure("all answered after", _s),
    "recovered": Figure("p99 normal again after", _s),
    "p50": Figure("p50", _unit("ms", 2)),
    "p99": Figure("p99", _unit("ms", 2)),
    "p999": Figure("p99.9", _unit("ms", 2)),
    "most": Figure("most", _ms),
    "full": Figure("full collections", number),
    "longest": Figure("longest collection, CPU", _ms),
    "collecting": Figure("collecting, of all CPU", share),
    "each": Figure("memory of each", _kb),
    "idle": Figure("idle CPU of each, a second", _unit("µs", 2)),
    "bare_idle": Figure("bare", _unit("µs", 2)),
    "resident": Figure("RSS", _mb),
    "grown": Figure("RSS grows by", _mb),
    "group": Figure("batches in a commit", _unit("", 2)),
    "server": Figure("server's core", share),
    "load": Figure("load's core", share),
}

LOAD_BOUND = "load-bound"


@attrs.frozen
class Row:
    """One piece of work. `figures`: by name of `FIGURES`, a value for each run."""

    work: str
    figures: Mapping[str, tuple[float, ...]]
    notes: tuple[str, ...] = ()

    def value(self, name: str) -> float:
        """The median of the runs."""
        return statistics.median(self.figures[name])

    @property
    def runs(self) -> int:
        return max(map(len, self.figures.values()), default=0)


def row(work: str, *notes: str, **figures: float) -> Row:
    """What one run gives. A figure that has no name here is a KeyError."""
    for name in figures:
        FIGURES[name]
    return Row(work, {name: (value,) for name, value in figures.items()}, notes)


def together(runs: Iterable[Iterable[Row]]) -> list[Row]:
    """The rows of several runs: values side by side, notes of any run once."""
    kept: dict[str, Row] = {}
    for rows in runs:
        for it in rows:
            kept[it.work] = _joined(kept[it.work], it) if it.work in kept else it
    return list(kept.values())


def _joined(one: Row, other: Row) -> Row:
    names = dict.fromkeys((*one.figures, *other.figures))
    figures = {name: one.figures.get(name, ()) + other.figures.get(name, ()) for name in names}
    return Row(one.work, figures, tuple(dict.fromkeys((*one.notes, *other.notes))))


def plain(it: Row) -> dict[str, Any]:
    """As JSON has it: values with five digits."""
    figures = {
        name: [float(f"{value:.5g}") for value in values] for name, values in it.figures.items()
    }
    return {"work": it.work, "figures": figures, "notes": list(it.notes)}


def from_plain(value: Mapping[str, Any]) -> Row:
    figures = {name: tuple(values) for name, values in value["figures"].items()}
    return Row(value["work"], figures, tuple(value["notes"]))


# --- times of many requests --------------------------------------------------------------


def part(ordered: list[float], of: float) -> float:
    """The value below which this part of them lies; 0 of none."""
    return ordered[min(int(len(ordered) * of), len(ordered) - 1)] if ordered else 0.0


def tail(milliseconds: Iterable[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the most."""
    ordered = sorted(milliseconds)
    cuts = {"p50": 0.5, "p99": 0.99, "p999": 0.999, "most": 1.0}
    return {name: part(ordered, cut) for name, cut in cuts.items()}
