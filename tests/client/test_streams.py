"""Showing nothing twice and missing nothing, as arithmetic: any order of arrivals and losses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tinode_py.client.streams import NOW, Progress, Stream

# What may happen: the server stores one more message, live delivery of the next one that was not
# delivered yet (or its loss), a page is fetched, the connection is new.
STEPS = st.lists(st.sampled_from(["store", "live", "lose", "fetch", "connect"]), max_size=80)
PAGE = 3


class World:
    """A server with numbered messages, a connection that may lose some, and the stream."""

    def __init__(self, position: int) -> None:
        self.stored = 5
        self.on_the_wire = 5
        self.stream = Stream(position)
        self.shown: list[int] = []
        self.connect()

    def connect(self) -> None:
        self.on_the_wire = self.stored
        self.stream.begin()
        self.stream.is_all(self.stored)

    def store(self) -> None:
        self.stored += 1

    def live(self) -> None:
        if self.on_the_wire == self.stored:
            return
        self.on_the_wire += 1
        if self.stream.is_next(self.on_the_wire):
            self.show(self.on_the_wire)
        else:
            self.stream.exists(self.on_the_wire)

    def lose(self) -> None:
        self.on_the_wire = min(self.on_the_wire + 1, self.stored)

    def fetch(self) -> None:
        if not self.stream.behind:
            return
        first = self.stream.position + 1
        last = min(self.stream.position + PAGE, self.stream.last)
        assert last <= self.stored
        for number in range(first, last + 1):
            self.show(number)

    def show(self, number: int) -> None:
        self.shown.append(number)
        self.stream.reached(number)


@given(STEPS, st.integers(0, 5))
def test_every_number_is_shown_once_in_order(steps: list[str], position: int):
    world = World(position)
    for step in steps:
        getattr(world, step)()
        assert world.shown == list(range(position + 1, position + 1 + len(world.shown)))
    world.connect()
    while world.stream.behind:
        world.fetch()
    assert world.shown == list(range(position + 1, world.stored + 1))


@given(STEPS)
def test_from_now_on_is_from_the_first_answer(steps: list[str]):
    world = World(NOW)
    for step in steps:
        getattr(world, step)()
    world.connect()
    while world.stream.behind:
        world.fetch()
    assert world.shown == list(range(6, world.stored + 1))


def test_what_comes_before_the_first_answer_is_known_is_not_lost():
    stream = Stream()
    assert not stream.is_next(11)
    stream.exists(11)
    stream.is_all(10)
    assert (stream.position, stream.last, stream.behind) == (10, 11, True)


def test_a_server_with_an_old_backup_is_followed_from_there():
    stream = Stream(100)
    stream.is_all(40)
    assert stream.is_next(41)


@given(st.lists(st.integers(0, 2), max_size=40), st.randoms(use_true_random=False))
def test_a_position_is_kept_when_all_are_done_with_all_up_to_it(takers: list[int], random):
    progress, open_ = Progress(), []
    for number, count in enumerate(takers, 1):
        entry = progress.handed_on("s", number, count)
        open_ += [(number, entry)] * count
    random.shuffle(open_)
    while open_:
        _, entry = open_.pop()
        progress.done("s", entry)
        reached = min((number for number, _ in open_), default=len(takers) + 1) - 1
        assert progress.kept.get("s", 0) == reached
    assert progress.kept.get("s", 0) == len(takers)
