"""What a node answers to questions, also to those that it does not understand."""

from __future__ import annotations

from typing import Any

import pytest

from tinode_py.cluster import protocol
from tinode_py.cluster.items import LARGEST
from tinode_py.cluster.questions import Answerer, Questions
from tinode_py.errors import DENIED, Refused, StoreAway


async def double(number: int) -> int:
    return number * 2


async def deny() -> None:
    raise Refused(DENIED)


async def too_long() -> bytes:
    return bytes(LARGEST)


async def no_answer() -> object:
    return object()


async def fail() -> None:
    raise StoreAway("gone")


@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("double", {"number": 21}, protocol.Result(7, 42)),
        ("deny", {}, protocol.Fault(7, 403, "permission denied")),
        ("fail", {}, protocol.Fault(7, 503, "service unavailable")),
        ("too long", {}, protocol.Fault(7, 500, "internal error")),
        ("no answer", {}, protocol.Fault(7, 500, "internal error")),
        ("double", {"number": None}, protocol.Fault(7, 500, "internal error")),
        ("double", {}, protocol.Fault(7, 501, "unknown question 'double' with []")),
        ("half", {"of": 1}, protocol.Fault(7, 501, "unknown question 'half' with ['of']")),
    ],
)
async def test_questions(name: str, arguments: dict[str, Any], answer: Any) -> None:
    said: list[Any] = []

    def send(message: Any) -> bool:
        said.append(protocol.unpack(protocol.pack(message)))
        return True

    known: dict[str, Answerer] = {"double": double, "deny": deny, "fail": fail}
    questions = Questions({**known, "too long": too_long, "no answer": no_answer})
    await questions.answer(protocol.Call(7, name, arguments), send)
    assert said == [answer]
