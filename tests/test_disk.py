"""What is on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tinode_py.disk import write_secret


def test_a_secret_is_its_owners_alone_whatever_is_in_the_way(tmp_path: Path) -> None:
    """Nothing of it goes where somebody has laid a link, and nothing is left beside it."""
    path, elsewhere = tmp_path / "key.toml", tmp_path / "elsewhere"
    (tmp_path / "key.new").symlink_to(elsewhere)
    before = os.umask(0)
    try:
        write_secret(path, "ключ\n")
    finally:
        os.umask(before)
    assert path.read_text("utf-8") == "ключ\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_secret_that_cannot_be_written_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "key.toml"
    write_secret(path, "the first\n")
    with pytest.raises(UnicodeEncodeError):
        write_secret(path, "the second\ud800\n")
    assert path.read_text("utf-8") == "the first\n"
