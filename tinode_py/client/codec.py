"""Packets as websocket messages: JSON in text frames, or CBOR in binary ones."""

from __future__ import annotations

import json
from typing import Any

from ..wire import cbor

Packet = dict[str, Any]
DEPTH = 1024  # of what a server may send


def encode(packet: Packet, *, binary: bool) -> str | bytes:
    """One packet as the message to send."""
    if binary:
        return cbor.dumps(packet)
    return json.dumps(packet, ensure_ascii=False, separators=(",", ":"))


def decode(message: str | bytes) -> Packet:
    """The packet in a message. Raises ValueError if it holds none."""
    value = cbor.loads(message, DEPTH) if isinstance(message, bytes) else json.loads(message)
    if not isinstance(value, dict) or not _is_packet(value):
        raise ValueError("a message that is no packet")
    return value


def _is_packet(value: Packet) -> bool:
    """One kind with its body; an id is text, a {ctrl} has a code."""
    body = next(iter(value.values()), None)
    return (
        isinstance(body, dict)
        and isinstance(body.get("id", ""), str)
        and isinstance(body.get("topic", ""), str)
        and ("ctrl" not in value or isinstance(body.get("code"), int))
        and ("data" not in value or "topic" in body)
    )
