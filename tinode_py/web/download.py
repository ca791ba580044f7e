"""One file as an HTTP answer: conditions and ranges (RFC 9110), and what keeps it harmless.

Starlette's `FileResponse` sends the bytes and the ranges; here is what goes before it. A file
never changes, so its digest is its tag.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

from ..live.lending import Loan
from ..media.kinds import is_active
from ..records import Upload
from .head import RequestHead
from .lent import LentResponse

_AGE = "max-age=86400"  # seconds; the same file has the same address for ever
# An opened file is no page of ours: it runs nothing, and reads nothing.
_HARMLESS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": (
        "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline';"
        " sandbox"
    ),
}
_RANGES = re.compile(r"bytes=[ \t]*(?:\d+-\d*|-\d+)(?:[ \t]*,[ \t]*(?:\d+-\d*|-\d+))*[ \t]*")
_LONGEST = 2000  # characters of a list of ranges


def answer_of(
    request: Request, head: RequestHead, upload: Upload, place: Path | Loan, *, attached: bool
) -> Response:
    """The answer to GET and HEAD. `attached`: it is to be saved, whatever it is.

    Of another node's file several ranges at once are answered with all of it.
    """
    headers = _headers(upload, attached=attached)
    if (status := _unmet(head, upload)) == 304:
        return Response(status_code=304, headers=headers_without_content(headers))
    if status:
        return PlainTextResponse("precondition failed", status)
    wanted = _ranges(head.header("range"))
    if wanted is None:
        # What is no list of byte ranges is not looked at.
        del MutableHeaders(scope=request.scope)["range"]
    elif any(_is_beyond(part, upload.size) for part in wanted) and _range_counts(head, upload):
        beyond = {"content-range": f"bytes */{upload.size}"}
        return PlainTextResponse("range not satisfiable", 416, beyond)
    if isinstance(place, Path):
        return FileResponse(place, headers=headers)
    if wanted is None or len(wanted) > 1 or not _range_counts(head, upload):
        return LentResponse(place, 0, upload.size, 200, headers)
    first, end = _bytes_of(wanted[0], upload.size)
    part = {"content-range": f"bytes {first}-{end - 1}/{upload.size}"}
    return LentResponse(place, first, end, 206, {**headers, **part})


def headers_without_content(headers: Mapping[str, str]) -> dict[str, str]:
    """Those that an answer without the file keeps (RFC 9110, 15.4.5)."""
    return {name: headers[name] for name in ("etag", "cache-control", "last-modified")}


def _headers(upload: Upload, *, attached: bool) -> dict[str, str]:
    saved = attached or is_active(upload.type)
    return {
        "content-type": upload.type,
        "content-length": str(upload.size),
        "etag": f'"{upload.etag}"',
        "last-modified": formatdate(upload.created // 1000, usegmt=True),
        "cache-control": _AGE,
        "accept-ranges": "bytes",
        **({"content-disposition": "attachment"} if saved else {}),
        **_HARMLESS,
    }


def _unmet(head: RequestHead, upload: Upload) -> int:
    """The status of an answer without the file, by the request's conditions; 0: none is unmet."""
    if (wanted := head.header("if-match")) and not _names(wanted, upload.etag):
        return 412
    if known := head.header("if-none-match"):
        return 304 if _names(known, upload.etag) else 0
    since = _seconds(head.header("if-modified-since"))
    return 304 if since is not None and upload.created // 1000 <= since else 0


def _names(tags: str, etag: str) -> bool:
    found = (tag.strip().removeprefix("W/").strip('"') for tag in tags.split(","))
    return any(tag in ("*", etag) for tag in found)


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ValueError, OverflowError):
        return None


def _range_counts(head: RequestHead, upload: Upload) -> bool:
    """Whether `If-Range` lets the range count."""
    condition = head.header("if-range")
    if not condition or condition == f'"{upload.etag}"':
        return True
    return _seconds(condition) == upload.created // 1000


def _ranges(text: str) -> list[tuple[str, str]] | None:
    if not text or len(text) > _LONGEST or not _RANGES.fullmatch(text):
        return None
    parts = [part.strip().partition("-") for part in text.partition("=")[2].split(",")]
    found = [(first, last) for first, _, last in parts]
    return None if any(f and last and int(last) < int(f) for f, last in found) else found


def _bytes_of(part: tuple[str, str], size: int) -> tuple[int, int]:
    """Where a range that is not beyond all begins, and before which byte it ends."""
    first, last = part
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def _is_beyond(part: tuple[str, str], size: int) -> bool:
    first, last = part
    return int(first) >= size if first else int(last) == 0 or not size
