from __future__ import annotations

import pytest

from tinode_py.config import Settings
from tinode_py.core import tags

DEFAULT = Settings()


def test_tags_are_made_plain():
    asked = [" Bees ", "bees", "x", "!", "x" * 97, "a b", "new_york"]
    assert tags.normal(asked, DEFAULT) == ("a b", "bees", "new_york")


def test_only_the_first_count():
    assert len(tags.normal([f"tag{n}" for n in range(20)], DEFAULT)) == 16


def test_whose_a_tag_is():
    chosen = ("alias:rose", "basic:ann", "bees", "city:ulm", "email:a@b.c", "tel:+1")
    assert tags.restricted(chosen, DEFAULT) == ("basic:ann", "email:a@b.c", "tel:+1")
    assert tags.aliases(chosen) == ("alias:rose",)
    assert tags.namespace("bees") == ""


@pytest.mark.parametrize("tag", ["city:ulm", "a_b:cd", "a1:cd", "zz:é", "abcdefghijklmnop:1"])
def test_prefixed(tag: str):
    assert tags.is_prefixed(tag)


@pytest.mark.parametrize(
    "tag", ["x:y", "1a:cd", "abcdefghijklmnopq:1", "zz:a b", "zz:a/b", "abcd:"]
)
def test_not_prefixed(tag: str):
    assert not tags.is_prefixed(tag)
