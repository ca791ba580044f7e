"""The pages of `docs/` as these tests read them: headings, links, blocks of code."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))

_NOTE = r"(?:<!-- (?P<note>.*?) -->\n)?"
_BLOCK = re.compile(_NOTE + r"```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@attrs.frozen
class Block:
    """A fenced block. `note` is the comment on the line before it: how the block is to run."""

    page: Path
    line: int
    kind: str
    text: str
    note: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def modules() -> list[Path]:
    """The modules of tinode_py that belong to the repository, relative to the package."""
    package = ROOT / "tinode_py"
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "*.py"]
        done = subprocess.run(command, cwd=package, capture_output=True, check=True)
        found = [Path(name) for name in done.stdout.decode().split("\0") if name]
    else:
        found = [path.relative_to(package) for path in package.rglob("*.py")]
    return sorted(path for path in found if path.name != "__init__.py")


def name_of(page: Path) -> str:
    return str(page.relative_to(DOCS))


def blocks(page: Path, kind: str) -> list[Block]:
    """The fenced blocks of one kind, in order."""
    text = page.read_text("utf-8")
    return [
        Block(page, text.count("\n", 0, it.start("text")), kind, it["text"], it["note"] or "")
        for it in _BLOCK.finditer(text)
        if it["kind"] == kind
    ]


def prose(page: Path) -> str:
    """A page without its blocks."""
    return _BLOCK.sub("", page.read_text("utf-8"))


def links(page: Path) -> list[str]:
    """Targets within this repository."""
    return [target for target in _LINK.findall(prose(page)) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """What `#…` may name: headings as GitHub and its like spell them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(page: Path, heading: str) -> str:
    """The text under a heading, up to the next one of its level or a higher one."""
    level = heading.split(" ")[0]
    text = page.read_text("utf-8").partition(f"\n{heading}\n")[2]
    assert text, f"{page.name} has no {heading!r}"
    return re.split(rf"^#{{1,{len(level)}}} ", text, maxsplit=1, flags=re.M)[0]


def rows(text: str) -> list[list[str]]:
    """The cells of the tables in a text, without heads and rules."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        for line in table.splitlines()[2:]:
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found
