from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinode_py.core.merge import LONGEST, is_delete, merge, without_marks
from tinode_py.errors import Refused

MARK = '"␡"'.encode()

CASES = [
    # old, new, merged, whether anything was asked
    (None, None, None, False),
    (b'{"a":1}', None, b'{"a":1}', False),
    (b'{"a":1}', b"null", b'{"a":1}', False),
    (b'{"a":1}', b"{}", b'{"a":1}', False),
    (b'{"a":1}', b'{"a":1}', b'{"a":1}', True),
    (b'{"a":1}', b'{"b":2}', b'{"a":1,"b":2}', True),
    (b'{"a":1}', b'{"a":null}', b'{"a":1}', False),
    (b'{"a":1}', b'{"a":{"b":null},"c":{}}', b'{"a":1}', False),
    (b'{"a":1}', b'{"c":"\xe2\x90\xa1"}', b'{"a":1}', True),
    (b'{"a":1,"b":2}', b'{"a":"\xe2\x90\xa1"}', b'{"b":2}', True),
    (b'{"a":{"x":1,"y":2}}', b'{"a":{"x":"\xe2\x90\xa1","z":3}}', b'{"a":{"y":2,"z":3}}', True),
    (b'{"a":[1,2]}', b'{"a":[3]}', b'{"a":[3]}', True),
    (b'{"a":{"x":1}}', b'{"a":5}', b'{"a":5}', True),
    (b'{"a":5}', b'{"a":{"x":1}}', b'{"a":{"x":1}}', True),
    (b'"text"', b'{"a":1}', b'{"a":1}', True),
    (b'{"a":1}', b'"text"', b'"text"', True),
    (b'{"a":1}', MARK, None, True),
    (b'{"a":1}', rb'"\u2421"', None, True),
    (None, MARK, None, False),
    (None, b'{"a":"\xe2\x90\xa1","b":1}', b'{"b":1}', True),
]


@pytest.mark.parametrize(("old", "new", "merged", "asked"), CASES)
def test_merging(old: bytes | None, new: bytes | None, merged: bytes | None, asked: bool):
    assert merge(old, new) == (merged, asked)


def test_a_document_does_not_grow_for_ever():
    piece = "x" * 60_000
    old = msgspec.json.encode({"a": piece, "b": piece})
    with pytest.raises(Refused):
        merge(old, msgspec.json.encode({"c": piece}))
    larger = msgspec.json.encode({"c": "x" * (LONGEST + 1)})
    assert merge(None, larger)[0] == larger


def test_a_lone_mark_is_nothing_at_creation():
    assert without_marks(MARK) is None
    assert without_marks(b"null") is None
    assert without_marks(b'{"a":1}') == b'{"a":1}'
    assert is_delete(MARK)
    assert not is_delete(b'"x"')


documents = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.integers(0, 3),
        lambda inner: st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=4,
    ),
    min_size=1,
    max_size=3,
)


@given(documents, documents)
def test_merging_twice_is_merging_once(old: dict[str, object], new: dict[str, object]):
    patch = msgspec.json.encode(new)
    once, _ = merge(msgspec.json.encode(old), patch)
    assert merge(once, patch)[0] == once
