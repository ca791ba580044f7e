"""Results as JSON and as Markdown: ratios first, for figures of one machine mean little."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

import attrs

from .measures import Result


@attrs.frozen
class Report:
    results: tuple[Result, ...]
    memory: float  # bytes per session
    seconds: float
    rounds: int

    def write(self, folder: Path) -> None:
        """`benchmarks.json` and `benchmarks.md`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "benchmarks.json").write_text(json.dumps(self.plain(), indent=2) + "\n", "utf-8")
        (folder / "benchmarks.md").write_text(self.markdown(), "utf-8")

    def plain(self) -> dict[str, Any]:
        return {
            "machine": _machine(),
            "seconds": self.seconds,
            "rounds": self.rounds,
            "bytes_per_session_on_me": round(self.memory),
            "results": [_row(result) for result in self.results],
        }

    def markdown(self) -> str:
        lines = [
            "| Work | Rate beside raw | Cost beside raw | Server CPU per unit | Units per second |",
            "|---|---|---|---|---|",
            *map(_line, self.results),
            "",
            f"A session on `me` holds {self.memory / 1024:.1f} KB.",
            "",
            f"{_machine()}; medians of {self.rounds} rounds of {self.seconds:g} s.",
        ]
        lines += [
            f"The load may have been the limit of: {result.name}."
            for result in self.results
            if result.load_was_busy
        ]
        return "\n".join(lines) + "\n"


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


def _row(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "unit": result.unit,
        "rate": round(result.rate(), 1),
        "raw_rate": round(result.raw_rate(), 1),
        "rate_ratio": round(result.rate_ratio, 4),
        "cpu_us": round(result.cost(), 2),
        "raw_cpu_us": round(result.raw_cost(), 2),
        "cost_ratio": round(result.cost_ratio, 4),
        "load_was_busy": result.load_was_busy,
    }


def _line(result: Result) -> str:
    return (
        f"| {result.name} | {result.rate_ratio:.0%} | {result.cost_ratio:.0%} "
        f"| {result.cost():.2f} µs (raw {result.raw_cost():.2f}) | {result.rate():,.0f} |"
    )
