from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinode_py.wire import drafty
from tinode_py.wire.graphemes import split


def entity(kind: str, /, **data: Any) -> dict[str, Any]:
    return {"tp": kind, "data": data}


def spans(*items: tuple[int, int, str]) -> list[dict[str, Any]]:
    return [{"at": at, "len": length, "tp": tp} for at, length, tp in items]


PLAIN = [
    ("as it is *really*", "as it is *really*"),
    ("", ""),
    (" untrimmed ", " untrimmed "),
    ({"txt": "bold", "fmt": spans((0, 4, "ST"))}, "*bold*"),
    ({"txt": "a b c d", "fmt": spans((2, 1, "EM"), (4, 1, "DL"), (6, 1, "CO"))}, "a _b_ ~c~ `d`"),
    ({"txt": "both", "fmt": spans((0, 4, "ST"), (2, 2, "EM"))}, "*bo_th_*"),
    ({"txt": "both", "fmt": spans((2, 2, "EM"), (0, 4, "ST"))}, "*bo_th_*"),
    ({"txt": "cross", "fmt": spans((0, 3, "ST"), (2, 3, "EM"))}, "*cro*ss"),
    ({"txt": "one two", "fmt": spans((3, 1, "BR"))}, "one\ntwo"),
    ({"txt": " one ", "fmt": spans((4, 1, "BR"))}, "one"),
    ({"txt": "said answer", "fmt": spans((0, 5, "QQ"), (1, 2, "ST"))}, "answer"),
    ({"txt": "👩‍👩‍👧 bold", "fmt": spans((2, 4, "ST"))}, "👩‍👩‍👧 *bold*"),
    ({"txt": "x", "fmt": [{"len": 1, "tp": "ZZ"}]}, "x"),
    ({"txt": "to x", "fmt": [{"at": 3, "len": 1}], "ent": [entity("LN", url="u")]}, "to [x](u)"),
    ({"txt": "to x", "fmt": [{"at": 3, "len": 1}], "ent": [entity("LN")]}, "to [x]()"),
    ({"txt": "@ann", "fmt": [{"len": 4}], "ent": [entity("MN", val="usrA")]}, "@ann"),
    ({"txt": "#tag", "fmt": [{"len": 4}], "ent": [entity("HT", val="tag")]}, "#tag"),
    (
        {"txt": "a b", "fmt": [{"at": 1, "len": 1}], "ent": [entity("IM", name="n")]},
        "a[IMAGE 'n']b",
    ),
    ({"txt": " ", "ent": [entity("AU")]}, "[AUDIO '?']"),
    ({"txt": "", "fmt": [{"len": 0}], "ent": [entity("VD", name="v")]}, "[VIDEO 'v']"),
    ({"txt": "see", "fmt": [{"at": -1}], "ent": [entity("EX", name="f")]}, "see [FILE 'f']"),
    ({"fmt": [{"at": -1}], "ent": [entity("EX", name=7)]}, "[FILE '?']"),
    ({"txt": " ", "fmt": [{"len": 1}], "ent": [entity("VC")]}, "[CALL]"),
    ({"txt": "holes", "fmt": [None, {"len": 5, "tp": "ST"}], "ent": [None]}, "*holes*"),
    ({"txt": "hole", "fmt": [{"len": 4}], "ent": [None]}, "hole"),
    ({"txt": "out", "fmt": spans((0, 9, "ST"), (7, 1, "EM"), (-5, 2, "DL"))}, "out"),
    ({"txt": "out", "fmt": [{"len": 3, "key": 5}, {"len": 3, "key": -1}]}, "out"),
    ({"txt": None, "fmt": None}, ""),
]
WRONG = [
    None, True, 7, 1.5, [], ["a"], {}, {"text": "a"}, {"txt": 7}, {"txt": "a", "fmt": {"at": 0}},
    {"txt": "a", "fmt": ["x"]}, {"txt": "a", "ent": "x"}, {"txt": "a", "ent": [7]},
    {"txt": "a", "fmt": [{"at": "0"}]}, {"txt": "a", "fmt": [{"len": True}]},
    {"txt": "a", "fmt": [{"len": 1, "tp": 7}]}, {"txt": "a", "ent": [{"tp": "LN", "data": "x"}]},
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), PLAIN)
def test_as_plain_text(value, expected):
    assert drafty.plain_text(value) == expected


@pytest.mark.parametrize("value", WRONG)
def test_what_is_no_document_is_not_shown(value):
    assert drafty.problem(value)
    assert drafty.plain_text(value) is None
    assert drafty.preview(value) is None


def test_a_long_text_is_cut_with_an_ellipsis():
    assert drafty.plain_text("x" * 128) == "x" * 128
    assert drafty.plain_text("€" * 129) == "€" * 128 + "…"
    assert drafty.plain_text({"txt": "x" * 500}, 5) == "xxxxx…"


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"txt": "abc", "fmt": spans((0, 3, "ST"))}, ""),
        ({"txt": "👩‍👩‍👧", "fmt": spans((0, 2, "ST"))}, "outside"),
        ({"txt": "abc", "fmt": spans((2, 2, "ST"))}, "outside"),
        ({"txt": "abc", "fmt": spans((0, -1, "ST"))}, "outside"),
        ({"txt": "abc", "fmt": spans((-2, 1, "ST"))}, "outside"),
        ({"txt": "x" * 5000, "fmt": spans((4998, 3, "ST"))}, "outside"),
        ({"txt": "abc", "fmt": [{"len": 3}]}, "no entity"),
        ({"txt": "abc", "fmt": [{"at": -1}], "ent": [entity("EX")]}, ""),
        ({"txt": "", "fmt": [None] * 513}, "more than"),
        ({"txt": "", "ent": [entity("LN", a=[[[[[[[[]]]]]]]])]}, "too deep"),
    ],
)
def test_problems(value, wrong):
    found = drafty.problem(value)
    assert wrong in found if wrong else not found


def short(value: Any, limit: int = 20) -> Any:
    found = drafty.preview(value, limit)
    assert found is not None
    return msgspec.json.decode(found)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", {"txt": "text"}),
        ("👩‍👩‍👧" * 21, {"txt": "👩‍👩‍👧" * 19 + "…"}),
        ("x" * 20, {"txt": "x" * 20}),
        (
            {"txt": "x" * 30, "fmt": spans((1, 29, "ST"), (25, 2, "EM"))},
            {"txt": "x" * 19 + "…", "fmt": spans((1, 18, "ST"))},
        ),
        ({"txt": " a b", "fmt": spans((0, 1, "BR"), (2, 1, "BR"))}, {"txt": "a b"}),
        (
            {"txt": "quoted bold", "fmt": spans((0, 7, "QQ"), (1, 2, "EM"), (7, 4, "ST"))},
            {"txt": "bold", "fmt": spans((0, 4, "ST"))},
        ),
        (
            {
                "txt": " ",
                "fmt": [{"len": 1}],
                "ent": [
                    entity("IM", val="A" * 300, mime="image/png", width=7, x=1, name="n" * 200)
                ],
            },
            {
                "txt": " ",
                "fmt": [{"at": 0, "len": 1, "key": 0}],
                "ent": [entity("IM", mime="image/png", width=7)],
            },
        ),
        (
            {"txt": "a", "fmt": [{"at": -1, "key": 1}], "ent": [None, entity("EX", val="A")]},
            {"txt": "a", "fmt": [{"at": -1, "len": 0, "key": 0}], "ent": [{"tp": "EX"}]},
        ),
        (
            {"txt": "@ann", "fmt": [{"len": 4}], "ent": [entity("MN", val="usrA")]},
            {
                "txt": "@ann",
                "fmt": [{"at": 0, "len": 4, "key": 0}],
                "ent": [entity("MN", val="usrA")],
            },
        ),
        ({"txt": "a\n\u0301b", "fmt": spans((1, 1, "QQ"), (3, 1, "ST"))}, {"txt": "a\u0301b"}),
        ({"txt": "all quoted", "fmt": spans((0, 10, "QQ"))}, {"txt": ""}),
    ],
)
def test_as_a_short_document(value, expected):
    assert short(value) == expected


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)
numbers = st.integers(-2, 9) | st.none()
styles = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("at", "len", "key"), numbers),
        "tp": st.sampled_from(["", "ST", "EM", "BR", "QQ", "HD", None]),
    },
)
entities = st.fixed_dictionaries(
    {},
    optional={
        "tp": st.sampled_from(["LN", "IM", "EX", "VC", "MN", None]),
        "data": st.dictionaries(st.sampled_from(["url", "val", "name"]), anything) | st.none(),
    },
)
documents = st.fixed_dictionaries(
    {"txt": st.text(st.sampled_from("ab \n👩\u200d🏽é\u0301"), max_size=12)},
    optional={
        "fmt": st.lists(styles | st.none() | anything, max_size=6),
        "ent": st.lists(entities | st.none(), max_size=4),
    },
)


@given(anything | documents, st.integers(1, 9))
def test_no_json_is_too_strange(value, limit):
    drafty.problem(value)
    text, found = drafty.plain_text(value, limit), drafty.preview(value, limit)
    assert (text is None) == (found is None)
    if text is not None and found is not None:
        assert len(text) <= limit + 1
        document = msgspec.json.decode(found)
        assert drafty.problem(document) == ""
        assert len(split(document["txt"])) <= limit
        assert drafty.preview(document, limit) == found
