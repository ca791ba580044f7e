"""What comes of a request to a service outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

Resolve = Callable[[str, int], Awaitable[str]]
"""The address of a host and a port."""


@attrs.frozen
class Answer:
    """`status` is the code of HTTP."""

    status: int
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether it is a success (2xx)."""
        return 200 <= self.status < 300


class Unanswered(Exception):
    """There was no answer that could be read. The text says why; `brief` is what may be shown
    to anybody: it holds nothing of the address.
    """

    def __init__(self, brief: str, text: str = "") -> None:
        super().__init__(f"{brief}: {text}" if text else brief)
        self.brief = brief


class NotReached(Unanswered):
    """No connection, or a broken one, or nothing that is HTTP. `brief` names the error."""


class TooLate(Unanswered):
    """The time was over first."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer in {seconds:g} seconds")


class TooLong(Unanswered):
    """The body was longer than what is read."""

    def __init__(self, longest: int) -> None:
        super().__init__(f"the answer is longer than {longest} bytes")
