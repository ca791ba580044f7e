"""What an owner does about whoever lies, stalls, floods, or talks rubbish: it lives on."""

from __future__ import annotations

import contextlib
import hmac
import struct
from collections.abc import AsyncIterator
from typing import Any

import attrs
import cbor2
import pytest
import trio
from trio.testing import MockClock as Clock

from tests.cluster.remote.parts import IDENTITY, Two, two
from tests.store.made import ANN, append, people, seen
from tinode_py.changes import Batch, Committed
from tinode_py.cluster.handshake import exactly
from tinode_py.cluster.remote import greeting, words
from tinode_py.cluster.remote.runs import SPAN, WINDOW
from tinode_py.cluster.strangers import IN_TIME, MOST
from tinode_py.errors import StoreError
from tinode_py.queries import UserById
from tinode_py.queries_backend import EventsAfter
from tinode_py.store.coordination import Member


@attrs.define
class Program:
    """Who speaks by hand."""

    stream: trio.abc.Stream
    welcome: words.Welcome | None = None

    async def say(self, message: Any) -> None:
        await self.raw(message if isinstance(message, bytes) else words.pack(message))

    async def raw(self, data: bytes) -> None:
        await self.stream.send_all(struct.pack(">I", len(data)) + data)

    async def hear(self) -> Any:
        """The next message, None at the end; signs of life do not count."""
        while True:
            try:
                size = int.from_bytes(await exactly(self.stream, 4), "big")
                data = await exactly(self.stream, size)
            except Exception:
                return None
            if data:
                return words.unpack(data, *words.Answer.__args__)

    async def is_cut(self) -> bool:
        with trio.move_on_after(30):
            while await self.hear() is not None:
                pass
            return True
        return False


@contextlib.asynccontextmanager
async def program(it: Two, run: bytes = b"r" * 16, **more: Any) -> AsyncIterator[Program]:
    """A connection that is welcome."""
    stream = await it.place.connect()
    await greeting.connect(stream, IDENTITY.secret, lambda size: bytes(size))
    hello = words.Hello(words.PROTOCOL, IDENTITY.schema, "1.0", run)
    await greeting.say(stream, hello)
    async with stream:
        yield Program(stream, await greeting.hear_welcome(stream))


async def lives(it: Two) -> None:
    """All goes on for the node there was."""
    assert await it.remote.commit(Batch(())) == Committed()


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 40,
        cbor2.dumps("a text"),
        cbor2.dumps({"": "Fetch", "no": "1"}),
        cbor2.dumps({"": "Welcome", "owner": b""}),
        cbor2.dumps({"": "changes.PutTopic"}),
        cbor2.dumps({"": "Leave", "no": 2**70, "node": 1}),
        cbor2.dumps({"": "Fetch", "no": 1, "query": cbor2.CBORTag(1, 1)}),
    ],
    ids=["noise", "text", "number", "answer", "change", "large", "tag"],
)
async def test_rubbish_costs_the_connection(autojump_clock: Clock, data: bytes) -> None:
    async with two() as it, program(it) as bad:
        await bad.raw(data)
        assert await bad.is_cut()
        await lives(it)


async def test_a_length_that_is_too_long(autojump_clock: Clock) -> None:
    async with two() as it, program(it) as bad:
        await bad.stream.send_all(b"\xff\xff\xff\xff")
        assert await bad.is_cut()
        await lives(it)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"": "Fetch", "query": {"": "queries.Unheard"}}, "'queries.Unheard' is not known here"),
        ({"": "Fetch", "query": {"": "queries.UserById", "user": 7}}, "UserById.user: wants str"),
        ({"": "Fetch", "query": 7}, "this is no query"),
        ({"": "Fetch", "query": {"": "records.Range", "low": 1, "hi": 2}}, "this is no query"),
        ({"": "Commit", "node": 1, "changes": [{"": "changes.PutMagic"}]}, "PutMagic' is not kno"),
        ({"": "Commit", "node": 1, "changes": "all"}, "wants an array"),
        ({"": "Beat", "node": "1", "load": 0, "draining": False}, "wants int"),
    ],
    ids=["query", "argument", "number", "record", "change", "changes", "beat"],
)
async def test_what_is_not_known_costs_that_request(
    autojump_clock: Clock, raw: dict[str, Any], why: str
) -> None:
    """A node of another version may know more: it is told, and speaks on."""
    async with two() as it, program(it) as other:
        await other.raw(cbor2.dumps({**raw, "no": 5}))
        answer = await other.hear()
        assert (answer.no, answer.kind) == (5, "error")
        assert why in answer.text
        await other.say(words.Fetch(6, UserById(ANN)))
        assert await other.hear() == words.Found(6, None)


async def test_what_a_node_does_not_know_costs_that_request(autojump_clock: Clock) -> None:
    """The same the other way round: an answer of a newer owner."""
    heard = words.Words(words.Answer)
    answer = heard.unpack(cbor2.dumps({"": "Found", "no": 3, "value": {"": "records.Magic"}}))
    assert answer == words.Unread(3, "Found.value: 'records.Magic' is not known here")
    assert words.unpack(words.pack(words.Found(1, Member(1, "n", "a", "u"))), words.Found).value


async def test_numbers_that_no_database_takes(autojump_clock: Clock) -> None:
    async with two() as it, program(it) as bad:
        await bad.say(words.Fetch(1, EventsAfter(2**64 - 1, 2**64 - 1)))
        assert (await bad.hear()).no == 1
        await lives(it)


async def test_a_query_that_the_store_cannot_stand(autojump_clock: Clock) -> None:
    """Whatever the store raises, the owner lives on and the node is told."""
    async with two() as it:

        async def breaks(query: Any) -> Any:
            raise LookupError("a hole in the store")

        it.gated.inner.fetch = breaks  # type: ignore[method-assign]
        with pytest.raises(StoreError, match="LookupError: a hole in the store"):
            await it.remote.fetch(UserById(ANN))
        await lives(it)


async def test_nobody_acts_for_another(autojump_clock: Clock) -> None:
    async with two() as it, program(it) as bad:
        await people(it.remote)
        await it.remote.claim(it.id, ["x"])
        await bad.say(words.Commit(1, it.id, (append(1),)))
        await bad.say(words.Beat(2, it.id, 0, False))
        await bad.say(words.Claim(3, it.id, ("y",)))
        await bad.say(words.Release(4, it.id, ("x",)))
        await bad.say(words.Give(5, it.id, "x", it.id))
        await bad.say(words.Leave(6, it.id))
        found = {answer.no: answer for answer in [await bad.hear() for _ in range(6)]}
        assert {no for no, answer in found.items() if isinstance(answer, words.Failed)} == {1, 2, 3}
        assert found[5].value is False
        assert await seen(it.remote) == []
        assert await it.remote.claim(it.id, ["x"]) == {"x": it.id}


async def test_topics_are_bounded(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinode_py.cluster.remote.owner.TOPICS", 3)
    async with two() as it:
        assert len(await it.remote.claim(it.id, ["a", "b"])) == 2
        with pytest.raises(StoreError, match="too many topics"):
            await it.remote.claim(it.id, ["c", "d"])
        with pytest.raises(StoreError, match="too long"):
            await it.remote.claim(it.id, ["x" * 101])
        assert len(await it.remote.claim(it.id, ["c"])) == 1


async def test_what_is_at_work_is_bounded(autojump_clock: Clock) -> None:
    """In number: beyond it nothing is read."""
    async with two() as it, program(it) as bad:
        await bad.say(words.Join(1, "bad", "b:1", ""))
        node = (await bad.hear()).value
        it.gated.before = trio.Event()
        with trio.move_on_after(1):
            for no in range(2, 2 * WINDOW):
                await bad.say(words.Commit(no, node, ()))
        assert it.gated.come <= WINDOW
        it.gated.before.set()
        await lives(it)


async def test_bytes_at_work_are_bounded(autojump_clock: Clock) -> None:
    async with two(queue=65536) as it, program(it) as bad:
        await bad.say(words.Join(1, "bad", "b:1", ""))
        node = (await bad.hear()).value
        it.gated.before = trio.Event()
        large = append(1, content=b"1" * 20_000)
        with trio.move_on_after(1):
            for no in range(2, 20):
                await bad.say(words.Commit(no, node, (large,)))
        assert it.gated.come == 4


async def test_answers_that_nobody_takes(autojump_clock: Clock) -> None:
    """What waits to be sent is bounded, and who takes nothing for a lease is cut."""
    async with two(queue=65536, lease=5.0) as it, program(it) as bad:
        await people(it.remote)
        await it.remote.commit(Batch((append(1, content=b'"' + b"x" * 30_000 + b'"'),)))
        it.place.wires[-1][1].stuck = True
        for no in range(20):
            await bad.say(words.Fetch(no, EventsAfter(0, 100)))
        before = len(it.place.wires[-1][1].out)
        await trio.sleep(12)
        assert len(it.place.wires[-1][1].out) == before
        it.place.wires[-1][1].stuck = False
        assert await bad.is_cut()
        await lives(it)


async def test_answers_that_nobody_says_he_has_heard(autojump_clock: Clock) -> None:
    async with two() as it, program(it) as bad:
        await bad.say(words.Join(1, "bad", "b:1", ""))
        node = (await bad.hear()).value
        run = next(run for run in it.place.owner._runs._runs.values() if run.node == node)
        run._answers.update((no, words.Done(no, Committed())) for no in range(-SPAN - 1, 0))
        await bad.say(words.Commit(2, node, (), seen=-SPAN - 1))
        assert await bad.is_cut()
        await lives(it)


async def test_one_connection_for_each_run(autojump_clock: Clock) -> None:
    """The newest; what the one before had begun is over when the next is welcomed."""
    async with two() as it, program(it) as first:
        await people(it.remote)
        await first.say(words.Join(1, "p", "p:1", ""))
        node = (await first.hear()).value
        it.gated.before = trio.Event()
        await first.say(words.Commit(2, node, (append(1),)))
        await trio.sleep(0.1)
        found: list[words.Welcome | None] = []

        async def again() -> None:
            async with program(it) as second:
                found.append(second.welcome)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(again)
            await trio.sleep(1)
            assert found == []
            assert await first.is_cut()
            it.gated.before.set()
        welcome = found[0]
        assert welcome is not None
        assert welcome.known
        assert welcome.settled == (words.Settled(2, words.Done(2, Committed())),)


# --- who does not get so far -------------------------------------------------------------


async def test_who_says_nothing_is_cut(autojump_clock: Clock) -> None:
    async with two() as it:
        for begun in (b"", greeting.MAGIC, greeting.MAGIC + bytes(32)):
            began = trio.current_time()
            stream = await it.place.connect()
            await stream.send_all(begun or b"t")
            assert await Program(stream).is_cut()
            assert trio.current_time() - began <= IN_TIME + 1
        await lives(it)


async def test_too_many_strangers(autojump_clock: Clock) -> None:
    """The oldest go."""
    async with two() as it:
        streams = [await it.place.connect() for _ in range(MOST + 5)]
        await trio.sleep(0.5)
        cut = []
        for stream in streams:
            with trio.move_on_after(0.01) as waiting:
                cut.append(not await stream.receive_some())
            if waiting.cancelled_caught:
                cut.append(False)
        assert cut == [True] * 5 + [False] * MOST
        await lives(it)


@pytest.mark.parametrize("what", ["proof", "hello", "long hello"])
async def test_greetings_that_are_none(
    autojump_clock: Clock, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with two() as it:
        stream = await it.place.connect()
        if what == "proof":
            await stream.send_all(greeting.MAGIC + bytes(32))
            theirs = await exactly(stream, 40)
            both = greeting.MAGIC + bytes(32) + theirs
            role = b"tinode-py store: accepts"  # that of the other: reflected
            await stream.send_all(hmac.digest(IDENTITY.secret, role + both, "sha256"))
        else:
            await greeting.connect(stream, IDENTITY.secret, lambda size: bytes(size))
            data = b"\x01" * (10 if what == "hello" else 5000)
            await stream.send_all(len(data).to_bytes(4, "big") + data)
        assert await Program(stream).is_cut()
        said = {
            "proof": "it has another secret",
            "hello": "no message",
            "long hello": "5000 bytes, of 4096 at most",
        }
        assert said[what] in caplog.text
        await lives(it)
