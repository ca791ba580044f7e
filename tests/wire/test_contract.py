"""The files of the wire's contract say what the packet classes say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinode_py.wire.client_packets import REQUESTS
from tinode_py.wire.contract import contract_files, write
from tinode_py.wire.server_packets import PACKETS
from tinode_py.wire.shape import CLASSES, fields_of, meaning_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", list(contract_files()))
def test_files_are_as_generated(path: str):
    assert (ROOT / path).read_text(encoding="utf-8") == contract_files()[path], (
        "run python -m tinode_py.wire.contract"
    )


def test_files_are_written_where_they_belong(tmp_path: Path):
    write(tmp_path)
    for path, text in contract_files().items():
        assert (tmp_path / path).read_text(encoding="utf-8") == text


def test_every_member_is_documented():
    for cls in CLASSES:
        for field in fields_of(cls):
            assert meaning_of(cls, field), f"{cls.__name__}.{field.name}"


@pytest.mark.parametrize("side", ["client", "server"])
def test_references_lead_somewhere(side: str):
    text = contract_files()[f"schema/wire/{side}.schema.json"]
    schema = json.loads(text)
    names = REQUESTS if side == "client" else PACKETS.values()
    assert set(names) <= set(schema["properties"])
    for definition in schema["$defs"].values():
        for member in definition["properties"].values():
            target = member.get("items", member).get("$ref", "#/$defs/").removeprefix("#/$defs/")
            assert not target or target in schema["$defs"]
