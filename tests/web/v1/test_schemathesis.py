"""What the description allows and forbids, tried on a server by schemathesis."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import checks
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks

from tinode_py.testing import server_in_thread
from tinode_py.web.v1.contract import OPERATIONS
from tinode_py.web.v1.openapi import document
from tinode_py.web.v1.operation import OWN

CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]
TRIED = [operation for operation in OPERATIONS if not operation.media]


@pytest.fixture(scope="module")
def world():
    """A server with two users, a group, and credentials for both doors."""
    with server_in_thread() as server:
        yield server.url, *server.run(_peopled)


async def _peopled(server):
    from tests.web.v1.conftest import key_for

    alice, bob = await server.user("alice"), await server.user("bob")
    group = (await alice.sub("new")).topic
    await alice.pub(group, "hello")
    await bob.sub(alice.user)
    names = {"user": bob.user, "topic": group, "room": "tmpTried", "seq": 1, "id": "1", "number": 1}
    return await key_for(server), alice.token, names


@pytest.fixture(scope="module")
def schema() -> Any:
    return schemathesis.openapi.from_dict(document())


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", TRIED, ids=lambda operation: operation.id)
def test_requests_are_answered_as_described(world, schema, operation, mode):
    url, key, token, names = world
    described = schema[operation.path][operation.method]
    headers = {"Authorization": f"Bearer {token if operation.scope == OWN else key}"}

    @given(case=described.as_strategy(generation_mode=mode))
    @settings(
        max_examples=3, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def tried(case):
        if mode is GenerationMode.POSITIVE:  # about things that are there
            case.path_parameters = {
                name: names[name] for name in (case.path_parameters or {}) if name in names
            }
        case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)

    try:
        tried()
    except Exception as error:
        if "Unsatisfiable" in type(error).__name__:
            pytest.skip("nothing wrong can be made of it")
        raise
