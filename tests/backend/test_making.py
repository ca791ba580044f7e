"""The generated calls are those of the API's description, all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tinode_py.backend import Backend, BlockingBackend, making

ROOT = Path(__file__).parents[2]
MADE = making.files()


def operations() -> dict[str, dict[str, Any]]:
    described = json.loads((ROOT / "schema" / "openapi.json").read_text("utf-8"))
    return {
        operation["operationId"]: operation
        for path in described["paths"].values()
        for operation in path.values()
    }


@pytest.mark.parametrize("name", sorted(MADE))
def test_the_files_are_as_generated(name: str):
    assert (making.FOLDER / name).read_text("utf-8") == MADE[name], (
        "run python -m tinode_py.backend.making"
    )


def test_nothing_else_is_in_the_folder():
    assert {path.name for path in making.FOLDER.glob("*.py")} == MADE.keys()


@pytest.mark.parametrize("client", [Backend, BlockingBackend])
def test_every_operation_is_a_method_or_is_left_out_for_a_reason(client: type):
    for name in operations():
        has_it = hasattr(client, making.method_name(name))
        assert has_it is not bool(making.LEFT_OUT.get(name)), name
    assert making.LEFT_OUT.keys() <= operations().keys()


@pytest.mark.parametrize("client", [Backend, BlockingBackend])
def test_every_list_has_all_its_pages(client: type):
    for name, operation in operations().items():
        asked = {it["name"] for it in operation.get("parameters", ()) if it["in"] == "query"}
        if asked & {"after", "before"} and name not in making.LEFT_OUT:
            assert hasattr(client, "all_" + making.method_name(name).partition("_")[2]), name


def test_both_clients_have_the_same_methods():
    def public(client: type) -> set[str]:
        return {name for name in dir(client) if not name.startswith("_")}

    assert public(Backend) - {"aclose"} == public(BlockingBackend) - {"close"}


def test_the_methods_are_explained():
    for name, method in vars(Backend.__mro__[1]).items():
        if not name.startswith("_"):
            assert method.__doc__, name
