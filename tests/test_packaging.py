from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_every_package_is_listed() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "tinode_py").rglob("__init__.py")
    }
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    assert listed == found | {"tinode_cli", "tinode_schema"}


def test_the_schema_is_package_data() -> None:
    names = [path.name for path in files("tinode_schema").joinpath("sqlite").iterdir()]
    assert any(name.endswith(".sql") for name in names)


def test_constraints_pin_what_is_needed() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins), "plain pins only"
    pinned = {name.lower() for name, _ in pins}
    for wanted in PROJECT["project"]["dependencies"]:
        name = wanted.partition(">")[0].partition("~")[0]
        assert name.lower() in pinned


@pytest.mark.slow
def test_python_dash_m_is_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tinode_py", "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    assert "python -m tinode_py" in done.stdout
    assert "serve" in done.stdout


@pytest.mark.slow
def test_a_wheel_works_outside_the_tree(tmp_path: Path) -> None:
    """Built from a copy, unpacked, and imported with nothing of the tree in reach."""
    wheel = _wheel(tmp_path)
    code = (
        "import tinode_py.config, tinode_cli, tinode_schema;"
        "from importlib.resources import files;"
        "print(tinode_cli.__file__);"
        "print(len([p for p in files('tinode_schema').joinpath('sqlite').iterdir()]));"
        "print(*sorted(p.name for p in files('tinode_py').joinpath('web/page').iterdir()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel)},
        check=True,
    )
    where, count, *page = done.stdout.split()
    assert where.startswith(str(wheel))
    assert int(count) > 0
    assert page == sorted(path.name for path in (ROOT / "tinode_py/web/page").iterdir())


@pytest.mark.slow
def test_a_wheel_from_the_sdist_makes_accounts(tmp_path: Path) -> None:
    """The archive of the sources is enough to build what works, migrations and all."""
    copy = _copied(tmp_path / "copy")
    build = [sys.executable, "-m", "build", "--sdist", "--outdir", str(tmp_path), str(copy)]
    subprocess.run(build, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    wheel = _built(archive, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", "import tinode_cli; tinode_cli.main()", "user", "create", "alice",
         "--password-stdin", "--data", "data"],
        input="good-password\n",
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(wheel)},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("created: alice is usr")


def _wheel(folder: Path) -> Path:
    return _built(_copied(folder / "copy"), folder)


def _copied(copy: Path) -> Path:
    copy.mkdir()
    tracked = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


def _built(source: Path, folder: Path) -> Path:
    """A wheel of a folder or an archive, unpacked."""
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)]
    subprocess.run(pip, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    unpacked = folder / "unpacked"
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(built), str(unpacked)], check=True)
    return unpacked
