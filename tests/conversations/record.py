"""Print a conversation with what a server says to it now, in place of what is written.

    python -m tests.conversations.record FILE [URL]

What comes out must be read, not believed: it says what the server does, not what is right.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import trio
import trio.testing

from .script import Packet, Script, Step, parse
from .stage import Stage
from .worlds import Elsewhere, here

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_TOPIC = re.compile(r"(grp|chn)[A-Za-z0-9_-]{11}")
_WIDTH = 100


class Writer:
    """Turns packets into lines, with names for ids."""

    def __init__(self, stage: Stage) -> None:
        self._names = stage.names

    def line(self, who: str, packet: Packet) -> str:
        text = json.dumps(self._named(packet), ensure_ascii=False)
        line = f"{who} < {text}"
        return line if len(line) <= _WIDTH else _folded(line)

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                name: "*" if name in ("token", "expires") else self._named(member)
                for name, member in value.items()
            }
        if isinstance(value, list):
            return [self._named(item) for item in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        if _TIME.fullmatch(text):
            return "*"
        known = {value: name for name, value in self._names.values.items()}
        if _TOPIC.fullmatch(text) and "grp" + text[3:] not in known:
            free = next(letter for letter in "GHIJKLMN" if letter not in self._names.values)
            self._names.values[free] = "grp" + text[3:]
            known["grp" + text[3:]] = free
        if text.startswith("chn") and "grp" + text[3:] in known:
            return f"${known['grp' + text[3:]]}.chn"
        return f"${known[text]}" if text in known else text


def _folded(line: str) -> str:
    """A long line, broken after commas."""
    lines = [""]
    for piece in re.split(r"(?<=, )", line):
        if len(lines[-1]) + len(piece) > _WIDTH:
            lines.append("   ")
        lines[-1] += piece
    return "\n".join(part.rstrip() for part in lines)


async def record(script: Script, stage: Stage) -> list[str]:
    """The lines of the conversation as it goes now."""
    writer = Writer(stage)
    lines: list[str] = []
    at = 0
    for i, step in enumerate(script.steps):
        following = script.steps[i + 1] if i + 1 < len(script.steps) else None
        end = following.acts[0].line - 1 if following else len(script.lines)
        kept, tail = _own_lines(step, script.lines[at:end], at)
        came = await stage.take_step(step)
        lines += kept
        if not step.is_quiet:
            heard = [writer.line(who, p) for who, packets in came.items() for p in packets]
            lines += heard or ["(nothing)"]
        lines += tail
        at = end
    return lines


def _own_lines(step: Step, lines: tuple[str, ...], at: int) -> tuple[list[str], list[str]]:
    """The lines up to the last act of a step, and the remarks and blanks behind it."""
    last = step.acts[-1].line - at
    while last < len(lines) and lines[last].startswith(" "):
        last += 1
    tail = [line for line in lines[last:] if line.startswith("#") or not line.strip()]
    return list(lines[:last]), tail


async def main(script: Script, url: str) -> None:
    if url:
        async with trio.open_nursery() as nursery:
            lines = await record(script, Stage(Elsewhere(url, nursery)))
            nursery.cancel_scope.cancel()
    else:
        async with here(script.settings) as world:
            lines = await record(script, Stage(world))
    print("\n".join(lines))


if __name__ == "__main__":
    address = sys.argv[2] if len(sys.argv) > 2 else ""
    virtual = None if address else trio.testing.MockClock(autojump_threshold=0)
    written = parse(Path(sys.argv[1]).read_text(encoding="utf-8"))
    trio.run(main, written, address, clock=virtual)
