from __future__ import annotations

import pytest

from tinode_py.core.query import MAX_TERMS, Terms, parse


@pytest.mark.parametrize(
    ("text", "required", "optional"),
    [
        ("flowers", ["flowers"], []),
        ("Flowers travel", ["flowers", "travel"], []),
        ("flowers,travel", [], ["flowers", "travel"]),
        ("flowers , travel", [], ["flowers", "travel"]),
        ("aaa bbb,ccc", ["aaa"], ["bbb", "ccc"]),
        ("aaa,bbb ccc ddd", ["ccc", "ddd"], ["aaa", "bbb"]),
        ('"new york" tel:+1555', ["new york", "tel:+1555"], []),
        ("aaa\taaa", ["aaa"], []),
        (" aaa ", ["aaa"], []),
    ],
)
def test_terms(text: str, required: list[str], optional: list[str]):
    assert parse(text) == Terms(tuple((term,) for term in required), tuple(optional))


@pytest.mark.parametrize("text", ["", "  ", '"open', 'a"b', '"a"b', "a,,b", "a, ,b"])
def test_what_asks_for_nothing(text: str):
    assert parse(text) is None


def test_terms_are_bounded():
    assert parse(" ".join(f"t{n}" for n in range(MAX_TERMS))) is not None
    assert parse(" ".join(f"t{n}" for n in range(MAX_TERMS + 1))) is None
