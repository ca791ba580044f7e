"""Pages of other origins at the business API: asked beforehand, and answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.web.v1.conftest import key_for
from tinode_py.testing import running_server

OURS = "https://ours.example"
WANTED = {
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@asynccontextmanager
async def asking(*origins: str) -> AsyncIterator[httpx.AsyncClient]:
    """With a key that may do all."""
    async with running_server(web={"cors_origins": origins}) as server:
        bearer = {"Authorization": f"Bearer {await key_for(server)}"}
        async with httpx.AsyncClient(base_url=server.url, headers=bearer) as http:
            yield http


def shared(answer: httpx.Response) -> dict[str, str]:
    start = "access-control-"
    found = {n.removeprefix(start): v for n, v in answer.headers.items() if n.startswith(start)}
    found.pop("expose-headers", None)
    return found


async def test_a_listed_page_may_ask_and_read():
    async with asking(OURS) as http:
        http.headers["Origin"] = OURS
        asked = await http.request("OPTIONS", "/v1/users/usrAAAAAAAAAAE", headers=WANTED)
        assert (asked.status_code, asked.content) == (204, b"")
        assert shared(asked) == {
            "allow-origin": OURS,
            "allow-methods": "GET, POST, PUT, PATCH, DELETE",
            "allow-headers": "authorization,content-type",
            "max-age": "86400",
        }
        for method, path, status in (
            ("GET", "/v1/server", 200),
            ("GET", "/v1/users/usrAAAAAAAAAAE", 404),
            ("GET", "/v1/nothing", 404),
            ("PUT", "/v1/server", 405),
        ):
            answer = await http.request(method, path)
            assert (answer.status_code, shared(answer)) == (status, {"allow-origin": OURS}), path
            assert answer.headers["vary"] == "Origin"
        http.headers["Authorization"] = "Bearer tnk_x"
        assert shared(await http.get("/v1/server")) == {"allow-origin": OURS}  # to read the 401
        async with http.stream("GET", "/v1/events") as stream:
            assert shared(stream) == {"allow-origin": OURS}


async def test_a_page_that_is_not_listed_may_not():
    async with asking(OURS) as http:
        for origin in ("https://evil.example", "null", OURS + ".evil", ""):
            http.headers["Origin"] = origin
            asked = await http.request("OPTIONS", "/v1/users", headers=WANTED)
            assert (asked.status_code, shared(asked)) == (204, {}), origin
            answer = await http.get("/v1/server")
            assert shared(answer) == {}
            assert answer.headers["vary"] == "Origin"


async def test_everybodys_pages_may_without_cookies():
    async with asking("*") as http:
        http.headers["Origin"] = "https://any.example"
        assert shared(await http.get("/v1/server")) == {"allow-origin": "*"}
        asked = await http.request("OPTIONS", "/v1/users", headers=WANTED)
        assert shared(asked)["allow-origin"] == "*"
        assert "allow-credentials" not in shared(asked)


async def test_cookies_are_not_read_at_all():
    async with asking(OURS) as http:
        bearer = http.headers.pop("Authorization")
        token = bearer.removeprefix("Bearer ")
        for cookie in (f"auth=token; secret={token}", f"Authorization={bearer}"):
            answer = await http.get("/v1/server", headers={"Cookie": cookie, "Origin": OURS})
            assert answer.status_code == 401


@pytest.mark.parametrize("headers", [{}, {"Origin": OURS}])
async def test_options_that_are_no_preflight(headers):
    async with asking(OURS) as http:
        assert (await http.request("OPTIONS", "/v1/server", headers=headers)).status_code == 405
