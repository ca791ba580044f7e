"""A module imports only from rows above its own (docs/architecture.md)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

WORDS = (
    "ids access errors records ranges changes changes_backend queries queries_backend settings"
    " config runtime worker disk log audit"
)
ROWS = {
    **dict.fromkeys(WORDS.split(), 0),
    "wire": 1,
    "core": 2,
    "outbound": 2,
    "store": 3,
    "auth": 3,
    "media": 3,
    "mail": 3,
    "push": 3,
    "hooks": 3,
    "live": 4,
    "web": 5,
    "cluster": 5,
    "foundation": 5,
    "hangup": 5,
    "server": 6,
    "client": 7,
    "backend": 7,
    "testing": 7,
    "plugin": 7,
    "__main__": 7,
    "": 7,  # tinode_py/__init__.py
}
PURE = {"attrs", "msgspec", "cbor2"}
SERVICES = {
    *("trio", "outcome", "argon2", "bcrypt", "sqlite_utils", "psycopg", "boto3", "botocore"),
}
THIRD_PARTY = {  # per row: what may be imported from outside
    0: {"attrs", "msgspec"},
    1: PURE,
    2: {"attrs", "msgspec"},
    3: PURE | SERVICES,
    4: {"attrs", "msgspec", "trio"},
}
BESIDE = {"outbound": {"httpx", "trio"}}  # one package of a row
IMPURE = {  # what pure code must not touch
    "asyncio",
    "os",
    "random",
    "secrets",
    "select",
    "socket",
    "sqlite3",
    "subprocess",
    "threading",
    "time",
}
HANDS = {"log", "disk"}  # words that touch the world
CONCRETE_STORES = {"memory", "sqlite", "postgres", "sql"}


def modules() -> list[Path]:
    return sorted((ROOT / "tinode_py").rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Absolute dotted names of all that a module imports, wherever it does."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *(node.module.split(".") if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def package_of(dotted: str) -> str:
    """`tinode_py.store.base.Store` belongs to `store`."""
    return [*dotted.split("."), ""][1]


def home(path: Path) -> str:
    parts = path.relative_to(ROOT / "tinode_py").with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def faults(path: Path) -> Iterator[str]:
    mine = home(path)
    row = ROWS[mine]
    for name in imports(path):
        top = name.split(".")[0]
        if top in ("tinode_cli", "cli"):
            yield f"{name}: the command stands outside"
        elif top == "tinode_py":
            theirs = package_of(name)
            if theirs != mine and not (row == 0 == ROWS[theirs]) and ROWS[theirs] >= row < 7:
                yield f"{name}: row {ROWS[theirs]} from row {row}"
            if mine == "live" and theirs == "store" and name.split(".")[2] in CONCRETE_STORES:
                yield f"{name}: live knows no concrete store"
        elif top in sys.stdlib_module_names:
            if top in IMPURE and (row in (1, 2) or (row == 0 and mine not in HANDS)):
                yield f"{name}: not in pure code"
        elif top not in THIRD_PARTY.get(row, {top}) | BESIDE.get(mine, set()) | {"tinode_schema"}:
            yield f"{name}: not in row {row}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_knows_only_what_is_above_it(path: Path) -> None:
    assert home(path) in ROWS, "give it a row in this test, and in docs/architecture.md"
    assert list(faults(path)) == []


def test_the_command_knows_the_server_from_outside() -> None:
    """And it is installed under another name, so its own imports are relative."""
    for path in (ROOT / "cli").glob("*.py"):
        assert not [name for name in imports(path) if name.split(".")[0] == "tinode_cli"], path


def test_words_have_an_order() -> None:
    """Row 0 has no circle."""
    words = set(WORDS.split())
    left: dict[str, set[str]] = {word: set() for word in words}
    for path in modules():
        if (word := home(path)) in words:
            left[word] |= {package_of(name) for name in imports(path)} & words - {word}
    while left:
        free = {word for word, needs in left.items() if not needs & left.keys()}
        assert free, f"a circle: {left}"
        left = {word: needs for word, needs in left.items() if word not in free}
