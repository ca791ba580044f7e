"""The bodies of HTTP answers that are no page: {ctrl} packets as JSON, and bare lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from ..errors import Answer
from ..wire.times import time_text

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"


def ctrl_body(
    answer: Answer, at: int, request_id: str = "", params: Mapping[str, Any] | None = None
) -> bytes:
    """`{"ctrl":…}` and a newline; `at` is in milliseconds since 1970."""
    named = {"id": request_id} if request_id else {}
    more = {"params": params} if params else {}
    ctrl = {**named, "code": answer.code, "text": answer.text, **more, "ts": time_text(at)}
    return json.dumps({"ctrl": ctrl}, separators=(",", ":")).encode() + b"\n"


def ctrl_response(
    answer: Answer, at: int, content_type: str = JSON, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer whose status is the code of its {ctrl}."""
    return Response(
        ctrl_body(answer, at), answer.code, {"content-type": content_type, **(headers or {})}
    )


def bare_answer(status: int) -> bytes:
    """A whole HTTP/1.1 answer, one line of text, for bytes that are no request; closes."""
    line = f"{status} {HTTPStatus(status).phrase}"
    return (
        f"HTTP/1.1 {line}\r\nContent-Type: {TEXT}\r\nConnection: close\r\n"
        f"Content-Length: {len(line)}\r\n\r\n{line}"
    ).encode("ascii")
