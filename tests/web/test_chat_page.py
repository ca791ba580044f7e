from __future__ import annotations

import json
import re

import pytest

from tests.web.parts import KEY, NewWorld, Reader, World, request
from tinode_py.config import ConfigError
from tinode_py.settings.serving import DEFAULT_API_SALT, Web
from tinode_py.web.apikey import ApiKeys
from tinode_py.web.chat_page import FOLDER, ChatPage, admin_page, admin_routes, made_pages, page_key
from tinode_py.web.pages import Pages

FILES = sorted(path.name for path in FOLDER.iterdir())


async def ask(world: World, method: str, target: str, **headers: str):
    client = world.connect()
    await client.send_all(request(method, target, headers))
    answer = await Reader(client).answer()
    await client.aclose()
    return answer


def page(**web) -> ChatPage:
    return ChatPage(Web(**web))


@pytest.mark.parametrize("name", ["", *FILES])
async def test_each_file_is_served_with_the_policy(serving: NewWorld, name: str):
    async with serving(pages=page()) as world:
        status, headers, body = await ask(world, "GET", f"/{name}")
        assert status == 200
        assert body == (FOLDER / (name or "index.html")).read_bytes()
        assert headers["x-content-type-options"] == "nosniff"
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        known = {"If-None-Match": headers["etag"]}
        again, headers, body = await ask(world, "GET", f"/{name}", **known)
        assert (again, body) == (304, b"")
        assert headers["content-security-policy"] == policy


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/nosuch", 404),
        ("POST", "/nosuch", 404),
        ("OPTIONS", "/nosuch.js", 404),
        ("GET", "/../chat_page.py", 404),
        ("GET", "/%2e%2e/chat_page.py", 404),
        ("GET", "/Main.js", 404),
        ("POST", "/", 405),
        ("DELETE", "/main.js", 405),
        ("POST", "/server.json", 404),
    ],
)
async def test_what_is_no_file(serving: NewWorld, method: str, target: str, status: int):
    async with serving(pages=page()) as world:
        answer = await ask(world, method, target)
        assert answer[0] == status
        assert json.loads(answer[2])["ctrl"]["code"] == status


async def test_the_page_learns_its_key(serving: NewWorld):
    async with serving(pages=page(api_keys=("mine", "other"))) as world:
        status, headers, body = await ask(world, "GET", "/server.json")
        assert (status, json.loads(body)) == (200, {"apikey": "mine"})
        assert headers["cache-control"] == "no-cache"


def test_the_key_is_valid_here():
    assert page_key(Web()) == KEY
    own = "MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXY="
    assert ApiKeys(own).valid(page_key(Web(api_salt=own)))
    assert not ApiKeys(DEFAULT_API_SALT).valid(page_key(Web(api_salt=own)))
    assert page_key(Web(api_salt="")) == ""


def test_what_is_at_the_root(tmp_path):
    assert isinstance(made_pages(Web()), ChatPage)
    assert made_pages(Web(page=False)) is None
    for page in (True, False):
        found = made_pages(Web(page=page, static=str(tmp_path)))
        assert type(found) is Pages


async def test_the_operators_page_has_an_address_of_its_own(serving: NewWorld, tmp_path):
    (tmp_path / "index.html").write_text("another client")
    for pages in (None, page(), Pages(str(tmp_path))):
        async with serving(pages=pages, routes=admin_routes(admin_page(Web()))) as world:
            status, headers, _ = await ask(world, "GET", "/admin")
            assert (status, headers["location"]) == (307, "admin/")
            for name, file in (("", "admin.html"), ("protocol.js", "protocol.js")):
                status, headers, body = await ask(world, "GET", f"/admin/{name}")
                assert (status, body) == (200, (FOLDER / file).read_bytes())
                assert "default-src 'none'" in headers["content-security-policy"]
            assert (await ask(world, "GET", "/admin/server.json"))[0] == 200
            assert (await ask(world, "GET", "/admin/nosuch"))[0] == 404
            assert (await ask(world, "POST", "/admin/nosuch"))[0] == 404


async def test_without_the_operators_page(serving: NewWorld):
    async with serving(pages=page(), routes=admin_routes(admin_page(Web(admin=False)))) as world:
        assert (await ask(world, "GET", "/admin"))[0] == 404
        assert (await ask(world, "GET", "/admin/"))[0] == 404


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"web\.static: .*nosuch"):
        made_pages(Web(static=str(tmp_path / "nosuch")))


def test_nothing_of_the_page_parses_html_or_leaves_the_server():
    for path in FOLDER.iterdir():
        text = path.read_text("utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, path.name
        assert " style=" not in text, path.name
        foreign = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
        assert not foreign, path.name
