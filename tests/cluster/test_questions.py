"""What a node answers to questions, also to those that it does not understand."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.parts import nodes
from tinode_py.cluster import protocol
from tinode_py.cluster.items import LARGEST
from tinode_py.cluster.node import AT_ONCE
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


async def test_one_node_may_have_so_many_questions_unanswered(autojump_clock: Clock) -> None:
    async with nodes("a", "b") as (machines, _):
        await trio.sleep(1)
        one, two = machines.clusters["a"], machines.clusters["b"]
        begun, go = 0, trio.Event()
        answers: list[int] = []

        async def wait() -> int:
            nonlocal begun
            begun += 1
            await go.wait()
            return begun

        async def ask() -> None:
            try:
                answers.append(await one.ask(two.number, "wait"))
            except Refused as no:
                answers.append(no.answer.code)

        two.answerers["wait"] = wait
        async with trio.open_nursery() as nursery:
            for _ in range(AT_ONCE + 3):
                nursery.start_soon(ask)
            await trio.sleep(5)
            assert begun == AT_ONCE
            assert answers == [503] * 3
            go.set()
        assert len(answers) == AT_ONCE + 3
        assert await one.ask(two.number, "wait") == AT_ONCE + 1
