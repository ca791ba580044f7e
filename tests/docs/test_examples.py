"""The examples of the pages run as they stand."""

from __future__ import annotations

import inspect
import json
import tomllib
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.docs.pages import DOCS, PAGES, Block, blocks
from tinode_py.config import Settings, load
from tinode_py.testing import running_server, server_in_thread
from tinode_py.wire.codec import decode_json

PYTHON = [
    block
    for page in ("clients.md", "embedding.md")
    for block in blocks(DOCS / page, "python")
    if not block.note  # those with one are programs, see test_programs.py
]
ADDRESS = "127.0.0.1:6060"


def run_test(function: Callable[..., Any]) -> None:
    """A test of an example, as pytest-trio would run it."""

    async def with_fixtures() -> None:
        if "tinode_server" in inspect.signature(function).parameters:
            async with running_server() as server:
                await function(tinode_server=server)
        else:
            await function()

    trio.run(with_fixtures, clock=MockClock(autojump_threshold=0))


@pytest.fixture
def address() -> Iterator[str]:
    """Where a server listens, for an example that expects one at the usual place."""
    with server_in_thread() as server:
        yield server.url.removeprefix("http://")


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_examples(block: Block, request: pytest.FixtureRequest):
    text = block.text
    if ADDRESS in text:
        text = text.replace(ADDRESS, request.getfixturevalue("address"))
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(text, str(block), "exec"), names)
    for name, value in names.items():
        if name.startswith("test_"):
            run_test(value)


def test_there_are_python_examples_of_each_kind():
    texts = [block.text for block in PYTHON]
    for word in ("running_server", "tinode_server", "server_in_thread", "connect(", "running("):
        assert any(word in text for text in texts), word


def tomls() -> list[Block]:
    return [block for page in PAGES for block in blocks(page, "toml")]


@pytest.mark.parametrize("block", tomls(), ids=str)
def test_settings_in_examples_are_settings(block: Block):
    assert isinstance(Settings.of(**tomllib.loads(block.text)), Settings)


def packets() -> list[Block]:
    return [block for page in PAGES for block in blocks(page, "json")]


@pytest.mark.parametrize("block", packets(), ids=str)
def test_packets_in_examples_are_packets(block: Block):
    packet = json.loads(block.text)
    if "meta" not in packet:
        assert decode_json(block.text).request is not None


def test_keys_in_prose_are_settings():
    """Every `section.key` that a page names is one."""
    for page in set(PAGES) - {
        DOCS / "embedding.md",
        DOCS / "clients.md",
    }:  # there `server` is a name in Python
        for key in mentioned(page.read_text("utf-8")):
            value: Any = load()
            for part in key.split("."):
                assert hasattr(value, part), f"{page.name}: {key}"
                value = getattr(value, part)


def mentioned(text: str) -> set[str]:
    sections = {field.name for field in attrs.fields(Settings)}
    found = set()
    for word in text.split("`")[1::2]:
        key = word.partition(" ")[0].partition("=")[0]
        first, dot, rest = key.partition(".")
        plain = rest.replace(".", "").replace("_", "").isalnum()
        if dot and first in sections and plain and rest not in ("py", "md"):
            found.add(key)
    return found
