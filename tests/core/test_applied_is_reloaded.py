"""What a topic holds in memory is what the store would give it, whatever was asked before."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from tests.core.world import GROUP, PAIR, USERS, World
from tinode_py import ids
from tinode_py.core.events import Woken
from tinode_py.core.me import MeState
from tinode_py.core.state import TopicState
from tinode_py.wire.client_packets import Del, Get, Leave, Note, Pub, Request, Set, Sub
from tinode_py.wire.client_parts import SetDesc, SetQuery, SetSub
from tinode_py.wire.parts import DefAcs, Json, SeqRange

MODES = ["", "N", "J", "JR", "JRW", "JRWP", "JRWPS", "JRWPA", "JRWPAS", "JRWPASD", "JRWPASDO"]
TEXTS = [None, Json(b'{"a":1}'), Json(b'{"a":"\\u2421"}'), Json(b'"x"'), Json(b'"\\u2421"')]

modes = st.sampled_from(MODES)
texts = st.sampled_from(TEXTS)
people = st.sampled_from(["", *USERS])
ranges = st.lists(st.builds(SeqRange, st.integers(-1, 9), st.integers(0, 12)), max_size=3).map(
    tuple
)
defaults = st.one_of(st.none(), st.builds(DefAcs, modes, modes))
descs = st.builds(SetDesc, defaults, texts, st.none(), texts)
set_subs = st.builds(SetSub, people, modes)
set_queries = st.builds(SetQuery, st.one_of(st.none(), descs), st.one_of(st.none(), set_subs))
seqs = st.integers(0, 9)


def requests(named: str) -> st.SearchStrategy[Request]:
    where = st.just(named)
    return st.one_of(
        st.builds(Sub, topic=where, set=st.one_of(st.none(), set_queries)),
        st.builds(Leave, topic=where, unsub=st.booleans()),
        st.builds(Pub, topic=where, content=st.just(Json(b"1"))),
        st.builds(Note, topic=where, what=st.sampled_from(["read", "recv", "kp"]), seq=seqs),
        st.builds(
            Del,
            topic=where,
            what=st.sampled_from(["msg", "msg", "sub", "topic"]),
            delseq=ranges,
            user=people,
            hard=st.booleans(),
        ),
        st.builds(
            Set,
            topic=where,
            desc=st.one_of(st.none(), descs),
            sub=st.one_of(st.none(), set_subs),
            tags=st.sampled_from([None, ("bees",), ("honey", "alias:me")]),
            aux=texts,
        ),
        st.builds(Get, topic=where, what=st.sampled_from(["desc sub", "data", "del", "tags aux"])),
    )


Step = tuple[str, str, Any]


def steps(named: str, users: tuple[str, ...]) -> st.SearchStrategy[list[Step]]:
    step = st.tuples(st.sampled_from(users), st.sampled_from(["", "'"]), requests(named))
    return st.lists(step, max_size=40)


def play(world: World, name: str, users: tuple[str, ...], todo: list[Step]) -> None:
    for user in users:
        world.ask(user, Sub(topic="me"), user)
    for user, device, request in todo:
        peer = {name: ids.p2p_peer(PAIR, user)}.get(PAIR, name)
        replace = structs.replace if isinstance(request, Pub) else attrs.evolve
        asked = replace(request, topic=peer)
        is_note = isinstance(asked, Note | Pub | Leave)
        sid = user + device
        if is_note and world.conversation(name).attached.get(sid) is None:
            continue  # the session refuses that
        world.ask(user, asked, name, sid=sid)
        compare(world, name, users)
        assert not any(map(world.conversation(name).attached.of, world.conversation(name).promises))
    world.now = max(world.now, world.conversation(name).wake_at)
    while world.conversation(name).promises:
        world.handle(name, Woken())
        world.now += 1
    compare(world, name, users)


def compare(world: World, name: str, users: tuple[str, ...]) -> None:
    applied, stored = world.conversation(name), world.fresh(name)
    assert isinstance(stored, TopicState)
    assert applied.topic == stored.topic
    promises = applied.promises
    rows = {u: promises[u].kept(row) if u in promises else row for u, row in applied.subs.items()}
    assert rows == stored.subs
    for user in users:
        if user in promises:
            continue  # his `me` is told when it comes into force
        mine, kept = world.state(user), world.fresh(user)
        assert isinstance(mine, MeState)
        assert isinstance(kept, MeState)
        assert mine.user == kept.user
        assert silent(mine) == silent(kept)


def silent(state: MeState) -> dict[str, Any]:
    """The book of subscriptions, without what the sessions here were told."""
    return {line.topic: structs.replace(line, told=False) for line in state.lines.values()}


@settings(max_examples=60, deadline=None)
@given(steps(GROUP, USERS))
def test_a_group(todo: list[Step]) -> None:
    world = World()
    world.ask(USERS[0], Sub(topic="new1"), GROUP)
    play(world, GROUP, USERS, todo)


@settings(max_examples=60, deadline=None)
@given(steps("peer", USERS[:2]))
def test_a_conversation_of_two(todo: list[Step]) -> None:
    world = World()
    play(world, PAIR, USERS[:2], todo)
