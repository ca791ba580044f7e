"""The examples of events.md run as they stand, and its table names all kinds."""

from __future__ import annotations

import itertools
import re
import time
from typing import Any

import pytest

from tests.docs.pages import DOCS, blocks
from tests.web.v1.conftest import key_for
from tinode_py.testing import server_in_thread
from tinode_py.web.v1.events import KINDS
from tinode_py.wire.signature import signature

PAGE = DOCS / "events.md"


def example(note: str) -> dict[str, Any]:
    (block,) = (block for block in blocks(PAGE, "python") if block.note == note)
    names: dict[str, Any] = {}
    exec(compile(block.text, str(block), "exec"), names)
    return names


def test_the_signature_is_verified():
    is_from_us = example("verify")["is_from_us"]
    now, body = int(time.time()), b'{"hook":1,"events":[]}'
    good = signature("secret", now, body)
    assert is_from_us("secret", good, body)
    assert not is_from_us("other", good, body)
    assert not is_from_us("secret", good, body + b" ")
    assert not is_from_us("secret", good.replace(f"t={now}", f"t={now + 1}"), body)
    assert not is_from_us("secret", signature("secret", now - 400, body), body)
    both = signature("new", now, body, "secret")
    assert all(is_from_us(secret, both, body) for secret in ("new", "secret"))
    assert not is_from_us("other", both, body)
    for odd in ("", "t=1", "v1=", "t=x,v1=ž", good.upper()):
        assert not is_from_us("secret", odd, body)


def test_a_reader_follows():
    follow = example("reader")["follow"]
    with server_in_thread() as server:
        user, _ = server.account("ann")
        key = server.run(key_for, "events:read")
        events = follow(server.url, key, 0)
        found = list(itertools.islice(events, 5))
        events.close()
    kinds = [event["kind"] for event in found if event.get("user") == user]
    assert kinds == ["account.created", "user.online", "user.offline"]


def test_all_kinds_are_in_the_table():
    table = PAGE.read_text("utf-8").partition("## What is guaranteed")[0]
    told = set(re.findall(r"`([a-z]+\.[a-z]+)`", table))
    assert told == KINDS


@pytest.mark.parametrize("name", ["stream.at", "stream.gap"])
def test_kinds_of_the_stream_itself_are_explained(name: str):
    assert f"`{name}`" in PAGE.read_text("utf-8")
