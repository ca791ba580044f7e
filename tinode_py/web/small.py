"""What is read and noted of a small request: a form, a command at the operator's own door."""

from __future__ import annotations

from contextlib import aclosing

from starlette.requests import Request

from ..audit import Actor, command_door
from ..config import Settings


async def small_body(request: Request, most: int) -> bytes | None:
    """The whole body; None as soon as it is longer than `most` bytes."""
    body = b""
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > most:
                return None
    return body


def command_of(request: Request, settings: Settings) -> Actor:
    """The command that asks at the operator's door, for the audit."""
    door = command_door(settings.server.listen)
    return Actor(door, "", request.headers.get("user-agent", ""))
