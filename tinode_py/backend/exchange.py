"""How a call is carried out, whoever does the waiting: what is tried, and when again.

Pure: a generator says what is to be done next (`Try`, `Wait`) and is told what came of it. Both
drivers, on Trio and blocking, do no more than that.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import attrs

from ..client.backoff import Backoff
from .call import Call, Got, problem, read, with_key
from .errors import BackendError, Nonsense, Unreachable

T = TypeVar("T")
FIRST = 0.25  # seconds
LONGEST = 10.0  # seconds between two tries of a call
_BUSY = 429
_NOT_FOUND = 404
_AWAY = (502, 503, 504)


@attrs.frozen
class Terms:
    """What every call of one client has in common.

    - `timeout`: seconds for one answer, all of it.
    - `patience`: seconds for a call with all its tries.
    - `answer_size`: bytes of one answer.
    - `chance`: numbers from [0, 1), for the time between tries.
    """

    timeout: float = 10.0
    patience: float = 30.0
    answer_size: int = 64 * 1024 * 1024
    chance: Callable[[], float] = random.random


@attrs.frozen
class Try:
    """Ask; the answer is Got, or Lost."""

    call: Call[Any]


@attrs.frozen
class Wait:
    """Let so many seconds pass."""

    seconds: float


@attrs.frozen
class Lost:
    """There was no answer.

    `sent`: the server may have got the request. `final`: asking again would be the same.
    """

    text: str
    sent: bool = True
    final: bool = False


Steps = Generator[Try | Wait, Got | Lost | None, T]


def exchange(call: Call[T], terms: Terms, now: Callable[[], float]) -> Steps[T]:
    """Carry out a call, asking again as long as that can do no harm and time is left.

    What was refused for now (429) is always asked again; what got no answer, or was answered by
    a server that is away (503), if the call is repeatable.
    """
    if call.keyed:
        call = with_key(call, secrets.token_urlsafe(12))
    last, backoff = now() + terms.patience, Backoff(FIRST, LONGEST, terms.chance)
    maybe_done = False
    while True:
        got = yield Try(call)
        assert got is not None
        if isinstance(got, Lost):
            maybe_done |= got.sent
            failure: BackendError = Unreachable(got.text, maybe_done=maybe_done)
            again = not got.final and (call.repeatable or not maybe_done)
            wait = backoff.next()
        elif got.status < 300:
            return read(call, got)
        elif got.status < 400:
            raise Nonsense(f"{call.method} {call.path}: {got.status}, a redirect: not followed")
        elif maybe_done and call.method == "DELETE" and got.status == _NOT_FOUND:
            return None  # type: ignore[return-value]  # the try before has done it
        else:
            failure = refused = problem(got)
            again = got.status == _BUSY or (call.repeatable and got.status in _AWAY)
            wait = max(backoff.next(), refused.retry_after)
            if again and maybe_done:  # this try was refused; the one before may have done it
                failure = Unreachable(str(refused), maybe_done=True)
        if not again or now() + wait > last:
            raise failure
        yield Wait(wait)


@attrs.define
class Gathering:
    """An answer's body as it comes, up to a bound."""

    most: int
    _found: bytearray = attrs.field(factory=bytearray)

    def take(self, part: bytes) -> None:
        """Nonsense as soon as there is too much."""
        self._found += part
        if len(self._found) > self.most:
            raise Nonsense(f"an answer of more than {self.most} bytes")

    def got(self, status: int, headers: Any) -> Got:
        """The answer. Nonsense if it was compressed, which nobody has asked for."""
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise Nonsense(f"an answer in {coding!r}, which was not asked for")
        kind, wait = headers.get("content-type", ""), headers.get("retry-after", "")
        return Got(status, kind, bytes(self._found), wait)
