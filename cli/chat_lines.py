"""Where lines come from and go to: a terminal, or a script with expectations.

Nothing here knows what a line means.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TextIO

import trio
from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout

from .failure import Failure

PROMPT = "> "


class Lines(Protocol):
    """One who types, and reads what is shown."""

    async def next(self) -> str | None:
        """The next line that is typed, None at the end."""

    def show(self, line: str) -> None:
        """Show a line; it may hold anything that people write."""

    def close(self) -> None:
        """Leave the terminal as it was."""


def harmless(line: str) -> str:
    """The line without what a terminal would obey."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in line)


class Terminal:
    """A person: lines are edited with history in a thread, what is shown stands above them."""

    def __init__(self) -> None:
        self._session: PromptSession[str] = PromptSession()
        self._above = patch_stdout()
        self._above.__enter__()

    def on_typing(self, told: Callable[[], object]) -> None:
        """Call `told`, in another thread, whenever the line that is being typed changes."""

        def changed(_: Any) -> None:
            if self._session.default_buffer.text[:1] not in ("", ":"):
                told()

        self._session.default_buffer.on_text_changed += changed

    async def next(self) -> str | None:
        try:
            return await trio.to_thread.run_sync(self._read, abandon_on_cancel=True)
        except (EOFError, KeyboardInterrupt):
            return None

    def _read(self) -> str:
        return self._session.prompt(PROMPT)

    def show(self, line: str) -> None:
        print(harmless(line), flush=True)

    def close(self) -> None:
        app = self._session.app
        if app.is_running and app.loop is not None:  # the thread still reads
            with contextlib.suppress(RuntimeError):
                app.loop.call_soon_threadsafe(lambda: app.exit(exception=EOFError()))
        self._above.__exit__(None, None, None)


class Script:
    """A file: what it types, and what it expects to see, each after what was seen before."""

    def __init__(self, file: TextIO, wait: float) -> None:
        self._file = file
        self._wait = wait
        self._number = 0
        self._shown: deque[str] = deque(maxlen=10_000)
        self._more = trio.lowlevel.ParkingLot()

    async def next(self) -> str | None:
        while line := await trio.to_thread.run_sync(self._file.readline, abandon_on_cancel=True):
            self._number += 1
            mark, text = line[:1], line[1:].strip()
            if mark == "<":
                await self._expect(text)
            elif mark == ">":
                return text
            elif mark != "#" and line.strip():
                return line.rstrip("\r\n")
        return None

    async def _expect(self, text: str) -> None:
        with trio.move_on_after(self._wait) as patience:
            while not self._seen(text):
                await self._more.park()
        if patience.cancelled_caught:
            raise Failure(f"line {self._number}: {text!r} was not shown in {self._wait:g} seconds")

    def _seen(self, text: str) -> bool:
        while self._shown:
            if text in self._shown.popleft():
                return True
        return False

    def show(self, line: str) -> None:
        line = harmless(line)
        print(line, flush=True)
        self._shown.append(line)
        self._more.unpark_all()

    def close(self) -> None:
        sys.stdout.flush()
