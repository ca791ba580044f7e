"""Structured logs on the standard library: one line each, text or JSON.

A message is a fixed sentence; what varies goes into fields, given as `extra`:

    log.info("session closed", extra={"session": sid, "user": user, "seconds": 12})

Only the fields named here are written, so that neither a secret nor content gets into a log
by a mistake at the call. For the same reason an exception is written with its type and
frames, and with its text only where that cannot come from a client.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

from .errors import StoreError

FIELDS = (
    "worker",
    "session",
    "user",
    "topic",
    "address",
    "code",
    "count",
    "bytes",
    "seconds",
    "path",
)
_SPEAKING = (OSError, StoreError)  # their texts are the system's, never a client's


def configure(level: str, form: str, stream: TextIO | None = None, worker: int = 0) -> None:
    """Send the server's records of `level` and above to `stream` (standard error).

    `form` is `text` or `json`. Libraries are heard from `warning` on. `worker`: the number of
    this process, if it is one of several; each of its lines tells it. For the process as a
    whole: only a command calls this, never an embedded server.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    if worker:
        handler.addFilter(_Worker(worker))
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    set_level(level)


def set_level(level: str) -> None:
    """Say what is of this level and above. For the process as a whole, as `configure`."""
    logging.getLogger("tinode_py").setLevel(level.upper())


class _Worker(logging.Filter):
    """Lets everything through, with the number of the process."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def filter(self, record: logging.LogRecord) -> bool:
        record.worker = self._number
        return True


class TextLines(logging.Formatter):
    """`2026-01-02T03:04:05.678Z info live session closed session=x user=usrY`."""

    def format(self, record: logging.LogRecord) -> str:
        head = [_time(record), record.levelname.lower(), _area(record), record.getMessage()]
        fields = [f"{name}={value}" for name, value in _fields(record)]
        return "".join(_visible(char) for char in " ".join(head + fields + _error(record)))


class JsonLines(logging.Formatter):
    """One object: `time`, `level`, `area`, `message`, the fields, `error` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "area": _area(record),
            "message": record.getMessage(),
            **dict(_fields(record)),
        }
        if error := _error(record):
            line["error"] = error
        return json.dumps(line, ensure_ascii=False, default=str)


def _time(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _area(record: logging.LogRecord) -> str:
    return record.name.removeprefix("tinode_py.")


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    for name in FIELDS:
        value = record.__dict__.get(name)
        if value not in (None, ""):
            yield name, value


def _visible(char: str) -> str:
    """Nobody forges a line, or paints the operator's terminal."""
    return char if char.isprintable() else char.encode("unicode_escape").decode()


def _error(record: logging.LogRecord) -> list[str]:
    error = record.exc_info[1] if record.exc_info else None
    return list(_trace(error)) if error else []


def _trace(error: BaseException) -> Iterator[str]:
    """The exception, its frames from the innermost, its causes and its parts."""
    said = f": {error}" if isinstance(error, _SPEAKING) else ""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    places = [f"{_short(frame.filename)}:{frame.lineno}" for frame in frames]
    yield f"{type(error).__name__}{said} at {' < '.join(places) or '?'}"
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _trace(part)
    if cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        yield from _trace(cause)


def _short(filename: str) -> str:
    return "/".join(filename.split("/")[-2:])
