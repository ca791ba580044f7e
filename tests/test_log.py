from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from tinode_py import log
from tinode_py.errors import StoreError

CANARY = "canary-7f3a"
logger = logging.getLogger("tinode_py.live.session")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """`configure` is for a process: put the test process back."""
    root, ours = logging.getLogger(), logging.getLogger("tinode_py")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)


def logged(form: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    log.configure(level, form, stream)
    return stream


@pytest.mark.parametrize(
    ("form", "told"), [("text", "closed worker=2 user=usrX\n"), ("json", '"worker": 2,')]
)
def test_each_line_of_one_of_several_tells_which(form: str, told: str) -> None:
    stream = io.StringIO()
    log.configure("info", form, stream, worker=2)
    logger.info("session closed", extra={"user": "usrX"})
    assert told in stream.getvalue()


def test_a_line_of_text() -> None:
    stream = logged("text")
    logger.info("session closed", extra={"session": "s1", "user": "usrX", "topic": None})
    time, rest = stream.getvalue().split(" ", 1)
    assert len(time) == len("2026-01-02T03:04:05.678Z")
    assert rest == "info live.session session closed session=s1 user=usrX\n"


def test_a_line_of_json() -> None:
    stream = logged("json")
    logger.warning("session closed", extra={"session": "s1", "count": 3})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "area": "live.session",
        "message": "session closed",
        "session": "s1",
        "count": 3,
    }


def test_the_level_is_ours_and_libraries_are_heard_from_warning_on() -> None:
    stream = logged("text", "debug")
    logger.debug("ours")
    logging.getLogger("trio-websocket").info(CANARY)
    logging.getLogger("wsproto").warning("theirs")
    assert [line.split()[3] for line in stream.getvalue().splitlines()] == ["ours", "theirs"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_only_named_fields_are_written(form: str) -> None:
    stream = logged(form)
    logger.info("packet refused", extra={"content": CANARY, "secret": CANARY})
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_tells_where_and_not_what(form: str) -> None:
    stream = logged(form)
    try:
        try:
            raise KeyError(CANARY)
        except KeyError as error:
            raise ExceptionGroup(CANARY, [ValueError(CANARY)]) from error
    except ExceptionGroup:
        logger.exception("topic task failed")
    text = stream.getvalue()
    assert CANARY not in text
    assert all(name in text for name in ("ExceptionGroup", "ValueError", "KeyError"))
    assert "tests/test_log.py:" in text


def test_the_systems_own_words_are_kept() -> None:
    stream = logged("text")
    try:
        raise StoreError("disk full")
    except StoreError:
        logger.exception("commit failed")
    assert "StoreError: disk full at tests/test_log.py:" in stream.getvalue()


def test_nobody_forges_a_line() -> None:
    stream = logged("text")
    logger.info("hello", extra={"address": "1.2.3.4\n2026 error \x1b[31mroot"})
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
