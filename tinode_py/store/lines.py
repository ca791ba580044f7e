"""What the lines of an export are, whichever database they come from.

    {"tinode-py": "export", "format": 1, "schema": 8}
    {"table": "account", "columns": ["id", "created", …]}
    ["usr…", 1767225600000, …]
    …
    {"table": "upload_bytes", "columns": ["id", "at", "data"]}
    ["…", 0, {"base64": "…"}]
    {"end": true, "rows": 12345, "sha256": "…"}

`upload_bytes` is no table of the database: the files that it knows, piece by piece. Tables
come by name, rows by key, so that the same contents are the same bytes. Values are text, whole
numbers, null, or {"base64": …}; JSON within them stays the text that it is. The last line
vouches for all before it. A reader of another store needs nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

FORMAT = 1
LONGEST = 64 * 1024 * 1024  # bytes of a line
PIECE = 192 * 1024  # bytes of an upload in a line
BYTES, BYTES_COLUMNS = "upload_bytes", ["id", "at", "data"]

UPLOADS = "SELECT id, size, etag FROM upload ORDER BY id"
KIND = "SELECT type FROM upload WHERE id = ?"
UNKNOWN_KIND = "application/octet-stream"

# Opens an upload, by its id, its size and its tag; None if it is not there.
Reading = Callable[[str, int, str], AbstractContextManager[Iterable[bytes] | None]]
# Takes an upload, by its id and its media type; ValueError says that it is no id.
Place = Callable[[str, str, Iterator[bytes]], None]


class ImportFault(Exception):
    """What is read cannot be imported. `line` counts from 1; 0: no line is to blame."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.line = line


def sealed(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, and the last one, which vouches for them."""
    digest, rows = hashlib.sha256(), 0
    for line in lines:
        rows += line[:1] == b"["
        digest.update(line)
        yield line
    yield line_of({"end": True, "rows": rows, "sha256": digest.hexdigest()})


def shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    return value


def line_of(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, none of them held that is longer than any export writes."""
    while line := file.readline(LONGEST + 1):
        yield line


def stored_value(value: Any) -> Any:
    if isinstance(value, dict):
        return base64.b64decode(value["base64"], validate=True)
    if value is None or isinstance(value, str) or type(value) is int:
        return value
    raise TypeError(type(value))


def parsed(line: bytes, number: int, fault: Callable[[int, str], ImportFault] = ImportFault) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise fault(number, "is not JSON: truncated?") from None


def uploads(known: Iterable[Sequence[Any]], reading: Reading) -> Iterator[bytes]:
    """The bytes of the uploads in these rows of `UPLOADS`."""
    yield line_of({"table": BYTES, "columns": BYTES_COLUMNS})
    for name, size, etag in known:
        with reading(str(name), int(size), str(etag)) as pieces:
            for number, piece in enumerate(() if pieces is None else _even(pieces)):
                yield line_of([name, number * PIECE, shown(piece)])


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of one length but for the last, however they came; at least one."""
    held, first = bytearray(), True
    for piece in pieces:
        held += piece
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
            first = False
    if held or first:
        yield bytes(held)
