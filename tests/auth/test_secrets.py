from __future__ import annotations

from pathlib import Path

import pytest

from tinode_py.auth.secrets import FILE, load_secrets, make_folder
from tinode_py.config import ConfigError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_made_once_for_the_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    make_folder(folder)
    first = load_secrets(folder)
    assert len(first.token_key) == 32
    assert load_secrets(folder) == first
    assert mode(folder) == 0o700
    assert mode(folder / FILE) == 0o600
    assert [path.name for path in folder.iterdir()] == [FILE]


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert load_secrets(tmp_path / "a") != load_secrets(tmp_path / "b")


def test_a_loose_mode_is_mended(tmp_path: Path) -> None:
    load_secrets(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    load_secrets(tmp_path)
    assert mode(tmp_path / FILE) == 0o600


def test_a_crash_while_writing_leaves_no_half_file(tmp_path: Path) -> None:
    (tmp_path / "secrets.new").write_text("token_k")
    assert load_secrets(tmp_path) == load_secrets(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    "text", ["", "token_key = 1", 'token_key = "AAAA"', 'token_key = "!"', "[", "token_key = ["]
)
def test_a_damaged_file_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match=r"secrets\.toml: damaged"):
        load_secrets(tmp_path)
    assert (tmp_path / FILE).read_text() == text


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"server\.data: .*/file"):
        make_folder(tmp_path / "file")
    with pytest.raises(ConfigError, match=r"server\.data: .*/file/data"):
        make_folder(tmp_path / "file" / "data")


def test_secrets_do_not_show(tmp_path: Path) -> None:
    assert repr(load_secrets(tmp_path)) == "Secrets()"
