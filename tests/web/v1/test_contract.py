"""The description says what the classes say, and every member is explained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from tinode_py.auth.keys import SCOPES
from tinode_py.web.v1 import openapi
from tinode_py.web.v1.contract import OPERATIONS
from tinode_py.web.v1.handlers import HANDLERS
from tinode_py.web.v1.members import hints_of, meanings_of, summary_of, wire_name
from tinode_py.web.v1.operation import OPEN, OWN, Method

ROOT = Path(__file__).parents[3]


def test_the_file_is_as_generated():
    assert (ROOT / openapi.FILE).read_text(encoding="utf-8") == openapi.text(), (
        "run python -m tinode_py.web.v1.openapi"
    )


def classes() -> list[type[Any]]:
    found: dict[type[Any], None] = {}
    for operation in OPERATIONS:
        for cls in (operation.body, operation.query, operation.answer):
            if cls is not None:
                found[cls] = None
    return list(found)


@pytest.mark.parametrize("cls", classes(), ids=lambda cls: cls.__name__)
def test_every_member_is_explained(cls):
    assert summary_of(cls).endswith(".")
    assert set(meanings_of(cls)) == {wire_name(name) for name in hints_of(cls)}


def test_operations_are_of_one_kind():
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)
    for operation in OPERATIONS:
        assert operation.scope in (*SCOPES, OPEN, OWN), operation.id
        assert operation.method in get_args(Method)
        assert (operation.scope == OWN) is (operation.path + "/").startswith("/v1/me/"), (
            operation.id
        )
        assert operation.status == 204 or operation.answer or operation.media or not operation.scope
    assert set(HANDLERS) <= {operation.id for operation in OPERATIONS}


async def test_it_is_served_to_anybody(api):
    got = await api("GET", "/openapi.json", key="")
    assert got.status == 200
    assert got.body == json.loads(openapi.text())
    assert got["openapi"] == "3.1.0"
