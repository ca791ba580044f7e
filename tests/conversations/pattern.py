"""Comparing what came with what is written: names, wildcards and order."""

from __future__ import annotations

import re
from typing import Any

import attrs

from .script import Expected, Packet

_NAME = re.compile(r"\$([A-Za-z][A-Za-z0-9_]*)(\.chn)?")


@attrs.define
class Names:
    """What `$name` stands for."""

    values: dict[str, str] = attrs.field(factory=dict)

    def fill(self, value: Any) -> Any:
        """`value` with every known name replaced."""
        if isinstance(value, dict):
            return {self.fill(name): self.fill(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return _NAME.sub(self._value, value) if isinstance(value, str) else value

    def _value(self, found: re.Match[str]) -> str:
        value = self.values.get(found[1])
        if value is None:
            return found[0]
        return "chn" + value[3:] if found[2] else value

    def match(self, pattern: Any, value: Any) -> bool:
        """Whether `value` is as `pattern` says; names seen for the first time are learnt."""
        learnt: dict[str, str] = {}
        if not self._match(pattern, value, learnt):
            return False
        self.values.update(learnt)
        return True

    def _match(self, pattern: Any, value: Any, learnt: dict[str, str]) -> bool:
        pattern = self.fill(pattern) if isinstance(pattern, str) else pattern
        if pattern == "*":
            return True
        if isinstance(pattern, dict):
            return isinstance(value, dict) and self._match_object(pattern, value, learnt)
        if isinstance(pattern, list):
            return (
                isinstance(value, list)
                and len(pattern) == len(value)
                and all(self._match(p, v, learnt) for p, v in zip(pattern, value, strict=True))
            )
        if isinstance(pattern, str) and (name := _NAME.fullmatch(pattern)):
            if not isinstance(value, str) or name[2]:
                return False
            return learnt.setdefault(name[1], value) == value
        return type(pattern) is type(value) and bool(pattern == value)

    def _match_object(self, pattern: Packet, value: Packet, learnt: dict[str, str]) -> bool:
        wanted = {self.fill(name): member for name, member in pattern.items() if name != "*"}
        if wanted.keys() != value.keys() and ("*" not in pattern or wanted.keys() - value.keys()):
            return False
        return all(
            self._match_rows(member, value[name], learnt)
            if name == "sub" and isinstance(member, list)
            else self._match(member, value[name], learnt)
            for name, member in wanted.items()
        )

    def _match_rows(self, patterns: list[Any], rows: Any, learnt: dict[str, str]) -> bool:
        """Rows of members and contacts may come in any order."""
        if not isinstance(rows, list) or len(rows) != len(patterns):
            return False
        left = list(rows)
        for pattern in patterns:
            found = next((row for row in left if self._match(pattern, row, learnt)), None)
            if found is None:
                return False
            left.remove(found)
        return True


def differences(names: Names, expected: list[Expected], came: list[Packet]) -> list[str]:
    """What is missing, what came too much, and what came in the wrong order, for one session."""
    left = list(enumerate(came))
    wrong: list[str] = []
    latest: dict[tuple[str, ...], int] = {}
    for line in expected:
        found = next((it for it in left if names.match(line.packet, it[1])), None)
        if found is None:
            wrong.append(f"line {line.line}: {line.who} did not get {names.fill(line.packet)}")
            continue
        left.remove(found)
        stream = stream_of(found[1])
        if latest.get(stream, -1) > found[0]:
            wrong.append(f"line {line.line}: {line.who} got it earlier: {line.packet}")
        latest[stream] = found[0]
    return wrong + [f"got, and not written: {packet}" for _, packet in left]


def stream_of(packet: Packet) -> tuple[str, ...]:
    """Packets of one stream come in order."""
    kind, body = next(iter(packet.items()))
    if kind == "closed":
        return (kind,)
    topic = body.get("topic", "")
    return (topic, body.get("src", "")) if kind in ("pres", "info") and topic == "me" else (topic,)
