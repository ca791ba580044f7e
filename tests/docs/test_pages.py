"""The pages hold what the code says, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, anchors, links, modules, name_of, rows, section
from tinode_py import errors
from tinode_py.errors import Answer

PROTOCOL = DOCS / "protocol.md"
ARCHITECTURE = (DOCS / "architecture.md").read_text("utf-8")
PACKAGES = sorted({str(path.parent) for path in modules()} - {".", "client"})
SINGLE = [str(path) for path in modules() if str(path.parent) not in PACKAGES]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path):
    for target in links(page):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there), target


def test_every_page_can_be_found():
    index = {(DOCS / target.partition("#")[0]).resolve() for target in links(DOCS / "index.md")}
    decisions = DOCS / "decisions"
    index |= {(decisions / target).resolve() for target in links(decisions / "README.md")}
    left = {page for page in PAGES if page.resolve() not in index}
    assert left == {DOCS / "index.md"}


def test_every_answer_is_in_the_table():
    table = rows(section(PROTOCOL, "## Answers"))
    written = [(int(row[0].strip("`")), row[1].strip("`")) for row in table]
    known = [(it.code, it.text) for it in vars(errors).values() if isinstance(it, Answer)]
    assert sorted(written) == sorted(known)
    assert all(len(row) == 3 and row[2] for row in table)


def test_an_answer_that_nobody_gives_is_marked():
    code = "".join(
        path.read_text("utf-8")
        for path in (ROOT / "tinode_py").rglob("*.py")
        if path.name != "errors.py"
    )
    given = {
        (it.code, it.text): re.search(rf"\b{name}\b", code) is not None
        for name, it in vars(errors).items()
        if isinstance(it, Answer)
    }
    for row in rows(section(PROTOCOL, "## Answers")):
        answer = (int(row[0].strip("`")), row[1].strip("`"))
        assert given[answer] is not ("(not sent yet)" in row[2]), row


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_of_a_package_is_in_architecture(package: str):
    text = section(DOCS / "architecture.md", f"### `{package}/`")
    named = set(re.findall(r"`(\w+\.py)`", text))
    there = {path.name for path in modules() if str(path.parent) == package}
    assert there - named == set(), "name them in docs/architecture.md"


@pytest.mark.parametrize("module", SINGLE)
def test_every_other_module_is_in_architecture(module: str):
    assert f"`{module}`" in ARCHITECTURE


def test_differences_have_a_reason():
    for row in rows(section(PROTOCOL, "## Deliberate differences")):
        assert len(row) in (3, 5), row
        assert all(row), row


def test_the_tables_of_layers_agree():
    """The page and the test that enforces it name the same rows."""
    from tests.test_layering import ROWS

    table = rows(section(DOCS / "architecture.md", "## Layers"))
    written = {name: int(row[0]) for row in table for name in re.findall(r"`(\w+)`", row[1])}
    there = {path.stem for path in (ROOT / "tinode_py").iterdir() if path.suffix in ("", ".py")}
    there -= {"__init__", "__pycache__", "py"}
    enforced = {name: row for name, row in ROWS.items() if name in there}
    assert enforced == {name: row for name, row in written.items() if name in there}


def test_decisions_are_numbered():
    pages = sorted((DOCS / "decisions").glob("0*.md"))
    for number, page in enumerate(pages, 1):
        title = page.read_text("utf-8").partition("\n")[0]
        assert page.name.startswith(f"{number:04d}-")
        assert title.startswith(f"# {number:04d}: ")
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert section(page, heading).strip()
