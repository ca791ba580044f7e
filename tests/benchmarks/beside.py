"""Processes of their own that use a server meanwhile, and say how long things took."""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs

from .load import publication, session
from .people import Person

Act = Callable[[], None]
Time = tuple[float, float]  # when it had been done, by `perf_counter`; milliseconds it took


@attrs.define
class Beside:
    """What a child process did; `times` is there when it was told to stop."""

    times: list[Time] = attrs.Factory(list)
    errors: int = 0

    def milliseconds(self) -> list[float]:
        return [it for _, it in self.times]


@contextmanager
def beside(make: Callable[[], Act], pause: float) -> Iterator[Beside]:
    """A child process that does something every `pause` seconds, or as fast as it can.

    `make` is called in the child, when it begins. An act that fails is counted and ends it.
    """
    result = Beside()
    reading, writing = os.pipe()
    ready, started = os.pipe()
    stop, stopper = os.pipe()
    if not (child := os.fork()):
        os.close(stopper)
        os.close(ready)
        try:
            _run(make, pause, stop, started, writing)
        finally:
            os._exit(0)
    for each in (writing, started, stop):
        os.close(each)
    try:
        os.read(ready, 1)  # one byte when it is there, none if it failed
        yield result
    finally:
        os.close(stopper)
        os.close(ready)
        with os.fdopen(reading, "rb") as answer:
            said = json.loads(answer.read() or b"[[], 1]")
        os.waitpid(child, 0)
        result.times, result.errors = [tuple(it) for it in said[0]], said[1]


def _run(make: Callable[[], Act], pause: float, stop: int, started: int, answer: int) -> None:
    times: list[Time] = []
    errors = 0
    stopped = select.poll()  # numbers of descriptors may be too high for select
    stopped.register(stop)
    try:
        act = make()
        os.write(started, b".")
        due = time.perf_counter()
        while not stopped.poll(max(0.0, (due - time.perf_counter()) * 1e3)):
            due = max(due + pause, time.perf_counter() - 1.0)
            began = time.perf_counter()
            act()
            now = time.perf_counter()
            times.append((now, (now - began) * 1e3))
    except (OSError, AssertionError, LookupError, ValueError):
        errors += 1
    with os.fdopen(answer, "wb") as out:
        out.write(json.dumps([times, errors]).encode())


def private_messages(port: int, one: Person, other: Person) -> Callable[[], Act]:
    """From the sending of a private message to its arrival."""

    def make() -> Act:
        author = session(port, one, "me", other.user)
        reader = session(port, other, "me", one.user)
        frame = publication(other.user)

        def act() -> None:
            author.quiet()
            author.socket.sendall(frame)
            while b'"data"' not in (payload := reader.frame()):
                assert b'"code":205' not in payload, payload

        return act

    return make


def private(port: int, one: Person, other: Person, count: int, pause: float = 0.0) -> list[float]:
    """Milliseconds of some private messages, one after the other, sent by this process."""
    author = session(port, one, "me", other.user)
    reader = session(port, other, "me", one.user)
    frame, spent = publication(other.user), []
    for _ in range(count):
        author.quiet()
        reader.quiet()
        began = time.perf_counter()
        author.socket.sendall(frame)
        reader.wait(b'"data"')
        spent.append((time.perf_counter() - began) * 1e3)
        time.sleep(pause)
    author.close()
    reader.close()
    return spent
