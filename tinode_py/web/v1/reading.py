"""Bodies and queries of requests, read into their classes; Problem for what cannot be."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from ...wire.json_text import check_value, checked_text, holds_nul
from ...wire.limits import Malformed, WireLimits
from .members import built, struct_of
from .problem import FieldError, Problem

_MESSAGE = re.compile(r"(?P<what>.*?)(?: - at `(?P<where>[^`]+)`)?", re.DOTALL)
_NAMED = re.compile(r"`(\w+)`")
_DEEP = 256
_DROPPED = 4  # times the limit that are read of a body that is too long


async def read_body(request: Request, cls: type[Any], limit: int) -> Any:
    """The body as an instance of `cls`; 413 as soon as it is longer than `limit` bytes."""
    data = await _bytes_of(request, limit)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, "the body must be application/json")
    return parse_body(data, cls, limit)


async def _bytes_of(request: Request, limit: int) -> bytes:
    """The body. Of one that is too long a part is read and dropped, so that its sender, who
    may look for an answer only at its end, gets one.
    """
    announced = request.headers.get("content-length", "0")
    too_long = announced.isdecimal() and int(announced) > limit
    if too_long and "expect" in request.headers:
        raise _too_large(limit)
    data, size, more = bytearray(), 0, True
    while more and size <= _DROPPED * limit:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "the body ended before its length")
        chunk, more = message["body"], message["more_body"]
        size += len(chunk)
        if size <= limit and not too_long:
            data += chunk
    if too_long or size > limit:
        raise _too_large(limit)
    return bytes(data)


def _too_large(limit: int) -> Problem:
    return Problem(413, f"the body is longer than {limit} bytes")


def parse_body(data: bytes, cls: type[Any], limit: int) -> Any:
    """JSON text as an instance of `cls`; Problem names the member that is wrong."""
    try:
        text = checked_text(data, WireLimits(message_size=limit, depth=_DEEP))
        check_value(text)
        if holds_nul(text):
            raise Problem(400, "U+0000 in a text")
        return built(msgspec.json.decode(text, type=struct_of(cls)), cls)
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from None
    except Malformed as error:
        raise Problem(400, f"the body cannot be read: {error.reason}") from None
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {error}") from None


def read_query(request: Request, cls: type[Any] | None) -> Any:
    """The query as an instance of `cls`; an unknown or repeated name is refused."""
    if cls is None and not request.scope["query_string"]:
        return None
    found: dict[str, str] = {}
    text = request.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=64, errors="strict")
    except (ValueError, UnicodeDecodeError):
        raise Problem(400, "the query cannot be read") from None
    for name, value in pairs:
        if name in found:
            raise Problem.field(name, "given twice")
        if "\0" in value:
            raise Problem.field(name, "U+0000 in a text")
        found[name] = value
    if cls is None:
        if found:
            raise Problem.field(next(iter(found)), "unknown")
        return None
    try:
        return built(msgspec.convert(found, struct_of(cls), strict=False), cls)
    except msgspec.ValidationError as error:
        raise _wrong(str(error)) from None


def _wrong(message: str) -> Problem:
    """The library's message (`Expected … - at `$.limit``) as an error of one member."""
    found = _MESSAGE.fullmatch(message)
    assert found is not None
    what, where = found["what"], (found["where"] or "").removeprefix("$").removeprefix(".")
    if not where and (named := _NAMED.search(what)) and "field" in what:
        where = named[1]
    if not where:
        return Problem(400, what)
    return Problem(400, f"`{where}`: {what}", (FieldError(where, what),))
