"""Answers, and how to tell when a request has all of its own.

A request is answered by one {ctrl}, except those that ask for data: each part of a {get} is
answered by a {meta} or by a {ctrl} that names the part. {data} carries no id; the {ctrl} after
it tells how many belong to the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .codec import Packet
from .errors import ClientError

_FRAME = frozenset({"id", "topic", "ts"})  # members of a {meta} that are no part of a {get}
_NAMED_OTHERWISE = {"creds": "cred"}


@attrs.frozen
class Reply:
    """All that answered one request.

    `code`, `text` and `params` are those of the first {ctrl} (200 if there was none); `meta`
    has the parts of all {meta}; `data` the messages asked for, newest first.
    """

    code: int
    text: str
    topic: str
    params: Mapping[str, Any]
    meta: Mapping[str, Any]
    data: tuple[Packet, ...]
    packets: tuple[Packet, ...]


@attrs.define
class Pending:
    """One request that waits for its answer."""

    topic: str
    parts: set[str]
    ctrl: bool  # a {ctrl} for the request itself is still to come
    packets: list[Packet] = attrs.field(factory=list)
    held: list[Packet] = attrs.field(factory=list)  # {data} that may belong to the answer
    data: list[Packet] = attrs.field(factory=list)
    error: ClientError | None = None

    @classmethod
    def of(cls, kind: str, body: Mapping[str, Any]) -> Pending:
        query = body if kind == "get" else body.get("get") or {} if kind == "sub" else {}
        return cls(body.get("topic", ""), set(query.get("what", "").split()), kind != "get")

    def holds(self, topic: str) -> bool:
        """Whether a {data} of this topic may belong to the answer."""
        return self.topic == topic and "data" in self.parts

    def take(self, kind: str, body: Packet) -> bool:
        """Take one packet with the request's id; True once nothing more is to come."""
        self.packets.append({kind: body})
        if kind == "meta":
            self.topic = body.get("topic", self.topic)
            self.parts -= body.keys() - _FRAME
        else:
            self._ctrl(body)
        return not self.ctrl and not self.parts

    def _ctrl(self, body: Packet) -> None:
        params = body.get("params") or {}
        what = params.get("what", "")
        part = _NAMED_OTHERWISE.get(what, what)
        if body["code"] >= 400:
            self.error = self.error or ClientError(body["code"], body.get("text", ""), params)
        if part in self.parts:
            self.parts.discard(part)
            if part == "data":
                self._settle(params.get("count", 0))
        elif body["code"] >= 300:
            self.ctrl, self.parts = False, set()
        else:
            self.ctrl = False

    def _settle(self, count: int) -> None:
        """The last `count` messages are the answer; those before them came by themselves."""
        cut = len(self.held) - count
        self.data, self.held = self.held[cut:], self.held[:cut]

    def reply(self) -> Reply:
        """The answer; raises the error that the server named."""
        if self.error is not None:
            raise self.error
        ctrls = [packet["ctrl"] for packet in self.packets if "ctrl" in packet]
        first = next((it for it in ctrls if "what" not in (it.get("params") or {})), None)
        first = first or {"code": 200, "text": "ok", "topic": self.topic}
        meta: Packet = {}
        for packet in self.packets:
            for name, part in packet.get("meta", {}).items():
                if name not in _FRAME:
                    meta[name] = part
        return Reply(
            first["code"],
            first.get("text", ""),
            first.get("topic", ""),
            first.get("params") or {},
            meta,
            tuple(packet["data"] for packet in self.data),
            tuple(self.packets),
        )
