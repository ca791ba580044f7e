"""Paths of the business API, with parameters or without: what none is, and what a bug is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.web.conftest import served
from tests.web.parts import Reader, request
from tests.web.v1.conftest import key_for
from tinode_py.web.v1.backend import Backend, Call
from tinode_py.web.v1.routes import business_routes


async def fail(call: Call) -> None:
    raise ZeroDivisionError("a bug of ours")


@pytest.mark.parametrize("path", ["/v1/server", "/v1/users/usrAAAAAAAAAAE"])
async def test_a_bug_is_told_without_its_reason(server, caplog: Any, path: str):
    inner = server.server
    backend = Backend.over(inner.hub, inner.entrance, inner.events)
    routes = business_routes(backend, {"readServer": fail, "readUser": fail})
    shown = {"Authorization": f"Bearer {await key_for(server)}"}
    async with served(routes=routes) as world:
        client = world.connect()
        await client.send_all(request(target=path, headers=shown))
        status, headers, body = await Reader(client).answer()
        assert (status, headers["content-type"]) == (500, "application/problem+json")
        assert json.loads(body)["detail"] == "internal error"
        await world.front.wait_empty()
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    "path",
    ["/", "/messages/", "//messages", "/messages%2Fbatch/", "/users/a/b/c/d", "/Server", "/a%0Ab"],
)
async def test_what_is_no_path(api, path: str):
    got = await api("GET", path)
    assert (got.status, got["title"]) == (404, "Not Found")


async def test_methods_of_paths_with_parameters(api):
    got = await api("POST", "/users/usrAAAAAAAAAAE")
    assert got.status == 405
    assert got.headers["allow"] == "DELETE, GET, HEAD, PATCH"


async def test_a_name_with_a_line_end_is_a_name(api):
    for path in ("/users/%0Ab", "/users/b%0A", "/topics/%0Ab/messages/1"):
        got = await api("GET", path)
        assert got.headers["content-type"] == "application/problem+json", path
