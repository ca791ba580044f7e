from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinode_py.wire.graphemes import split


@pytest.mark.parametrize(
    "clusters",
    [
        [],
        ["a", "b"],
        ["a", "\r\n", "b", "\n", "\r"],
        ["é", "ž"],
        ["e\u0301", "z"],
        ["👩\u200d👩\u200d👧", " ", "👍🏽"],
        ["🇩🇪", "🇵🇱", "🇺", "a"],
        ["🏴\U000e0067\U000e0062\U000e007f", "x"],
        ["❤\ufe0f", "❤"],
        ["👩\u200d\u200d", "👩"],
        ["a\u200d", "👩"],
        ["각", "ㅏ", "\u1100\u1161\u11a8", "가\u11a8", "각\u11a8"],
        ["각", "\u1161"],
        ["\u0600a", "b"],
        ["ก", "ำ".join(["น", ""]), "x"],
        ["का", "\u1019", "\u102b"],
        ["a", "\u200b", "b"],
    ],
)
def test_clusters(clusters):
    assert split("".join(clusters)) == clusters


@given(st.text(st.sampled_from("a\r\n\u0301\u200d👩🏽🇩🇪\u1100\u1161각\u0600\u200b"), max_size=30))
def test_joined_they_are_the_text(text):
    assert "".join(split(text)) == text
    assert all(split(text))
