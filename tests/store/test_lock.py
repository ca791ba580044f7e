from __future__ import annotations

import os

import pytest

from tinode_py.store.lock import LockedError, data_lock


def test_a_second_holder_is_told_who_has_it(tmp_path):
    with data_lock(tmp_path), pytest.raises(LockedError) as caught, data_lock(tmp_path):
        pass
    assert caught.value.process == os.getpid()
    assert str(os.getpid()) in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_it_is_free_afterwards(tmp_path):
    for _ in range(2):
        with data_lock(tmp_path):
            assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_file_that_names_nobody(tmp_path):
    with data_lock(tmp_path):
        (tmp_path / "lock").write_text("?")
        with pytest.raises(LockedError, match="another process") as caught, data_lock(tmp_path):
            pass
    assert caught.value.process is None
