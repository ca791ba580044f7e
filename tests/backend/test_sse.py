"""Server-sent events, cut anywhere."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinode_py.backend.errors import Nonsense
from tinode_py.backend.sse import Block, Parser

STREAM = (
    "\ufeffretry: 1000\n\n: a comment\r\n\r\nid: 1\nevent: a\ndata: one\r\n\r\n"
    "data:two\rdata\rdata: lines ü\r\revent: nothing\n\n"
    "odd: field\ndata: 3\nnonsense\n\ndata: cut off"
).encode()
BLOCKS = [Block("a", "one"), Block("message", "two\n\nlines ü"), Block("message", "3")]


def fed(parts: list[bytes], most: int = 1000) -> list[Block]:
    parser = Parser(most)
    return [block for part in parts for block in parser.feed(part)]


def test_the_rules_of_the_format():
    assert fed([STREAM]) == BLOCKS
    assert fed([STREAM[at : at + 1] for at in range(len(STREAM))]) == BLOCKS


@given(st.lists(st.integers(0, len(STREAM))))
def test_it_does_not_matter_where_it_is_cut(cuts: list[int]):
    ends = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in itertools.pairwise(ends)]
    assert fed(pieces) == BLOCKS


@given(st.lists(st.text(st.sampled_from("ab:\r\n ü"), max_size=8)))
def test_whatever_comes_it_is_read_alike(texts: list[str]):
    parts = [text.encode() for text in texts]
    whole = b"".join(parts)
    assert fed(parts) == fed([whole]) == fed([whole[at : at + 1] for at in range(len(whole))])


@pytest.mark.parametrize(
    "part", [b"a" * 600, b"data: " + b"a" * 600, b"data: aaaa\n" * 60, b"event: aaaa\n" * 60]
)
def test_what_does_not_end_is_refused(part: bytes):
    parser = Parser(1000)
    parser.feed(part[:500])
    with pytest.raises(Nonsense, match="more than 1000 bytes"):
        parser.feed(part + part)


def test_comments_may_come_for_ever():
    parser = Parser(1000)
    for _ in range(1000):
        assert parser.feed(b": still here\n\n: and\n") == []


def test_a_long_line_in_many_pieces_is_not_searched_again_and_again():
    parser = Parser(4_000_000)
    parser.feed(b"data: ")
    for _ in range(30_000):
        parser.feed(b"a" * 100)  # the square of it would take minutes
    assert len(parser.feed(b"\n\n")[0].data) == 3_000_000


def test_many_short_lines_at_once_cost_no_more_than_their_number():
    assert Parser(1000).feed(b"\n" * 200_000) == []  # the square of it would take minutes
    assert len(Parser(1000).feed(b"data:\r\r" * 20_000 + b"\n")) == 20_000


def test_no_utf_8():
    with pytest.raises(Nonsense, match="UTF-8"):
        Parser(1000).feed(b"data: \xff\n\n")
