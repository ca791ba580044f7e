"""Reading a conversation from its file. The format is described in README.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import attrs

Packet = dict[str, Any]
_CAST = re.compile(r"(user|root|anonymous|device|stranger)\s+(\S+)\s*(\{.*\})?", re.DOTALL)
_SAYS = re.compile(r"(\S+)\s+(>>|>|<)\s+(.+)", re.DOTALL)
_WAIT = re.compile(r"wait\s+([\d.]+)\s*s")
_GOES = re.compile(r"(\S+)\s+(vanishes|leaves)")


class ScriptError(Exception):
    """A line that is none of those in README.md."""


@attrs.frozen
class Act:
    """Something that is done. `what` is the word of the line; `line` its number."""

    line: int
    what: str
    who: str = ""
    packet: Packet = attrs.field(factory=dict)
    seconds: float = 0.0

    @property
    def is_cast(self) -> bool:
        return self.what in ("user", "root", "anonymous", "device", "stranger")


@attrs.frozen
class Expected:
    line: int
    who: str
    packet: Packet


@attrs.define
class Step:
    """What is done at once, and what everybody gets of it."""

    acts: list[Act] = attrs.field(factory=list)
    expected: list[Expected] = attrs.field(factory=list)
    ended: bool = False  # by (nothing) or an empty line

    @property
    def is_quiet(self) -> bool:
        """Whether what anybody gets is of no interest."""
        return all(act.what == ">>" or act.is_cast for act in self.acts)


@attrs.frozen
class Script:
    title: str
    settings: dict[str, Any]
    steps: tuple[Step, ...]
    lines: tuple[str, ...]


def parse(text: str) -> Script:
    """A conversation; ScriptError names the line that is wrong."""
    title, _, _ = text.partition("\n\n")
    settings: dict[str, Any] = {}
    steps: list[Step] = []
    for number, line in _logical(text, len(title.splitlines())):
        if line.startswith("settings "):
            settings = json.loads(line.removeprefix("settings "))
            continue
        try:
            _add(steps, number, line)
        except ValueError as error:
            raise ScriptError(f"line {number}: {error}: {line}") from None
    return Script(title, settings, tuple(steps), tuple(text.splitlines()))


def _logical(text: str, skip: int) -> Iterator[tuple[int, str]]:
    """Lines with their continuations, without remarks; an empty line stands for the end."""
    found: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if number <= skip or line.startswith("#"):
            continue
        if line[:1].isspace() and line.strip() and found:
            start, before = found[-1]
            found[-1] = (start, f"{before} {line.strip()}")
        else:
            found.append((number, line.strip()))
    yield from found


def _add(steps: list[Step], number: int, line: str) -> None:
    said = _SAYS.fullmatch(line)
    if said and said[2] == "<":
        steps[-1].expected.append(Expected(number, said[1], json.loads(said[3])))
    elif line in ("", "(nothing)"):
        if steps:
            steps[-1].ended = True
    elif said and said[2] == ">":
        act = Act(number, ">", said[1], json.loads(said[3]))
        last = steps[-1] if steps else None
        together = last and not last.expected and not last.ended and last.acts[-1].what == ">"
        if last and together:
            last.acts.append(act)
        else:
            steps.append(Step([act]))
    else:
        steps.append(Step([_act(number, line)]))


def _act(number: int, line: str) -> Act:
    if said := _SAYS.fullmatch(line):
        return Act(number, ">>", said[1], json.loads(said[3]))
    if cast := _CAST.fullmatch(line):
        return Act(number, cast[1], cast[2], json.loads(cast[3] or "{}"))
    if wait := _WAIT.fullmatch(line):
        return Act(number, "wait", seconds=float(wait[1]))
    if goes := _GOES.fullmatch(line):
        return Act(number, goes[2], goes[1])
    if line == "the server drains":
        return Act(number, "drains")
    raise ValueError("not a line of a conversation")
