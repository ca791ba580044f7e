"""The proxies' files that docs/deploying.md offers, with the proxies themselves in front.

Each file stands as it is, but for TLS and addresses. A proxy has a loopback address of its own,
so that its port is free.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trustme

from tests.docs.pages import DOCS, blocks
from tests.process import KEY, PATIENCE, Talker, connected, serving
from tests.web.files import BOUNDARY, exchange, form
from tinode_py.testing import running_server

pytestmark = pytest.mark.slow
DEPLOY = DOCS / "deploy"
MEGABYTE = 1_000_000
Command = list[str]
ADDRESS = f"127.77.{os.getpid() >> 8 & 255}.{os.getpid() & 127 | 128}"
PORT = 8080


def _without_tls(site: str, backend: str) -> str:
    """The site of nginx that speaks TLS, without it."""
    head, second = site.split("server {\n    listen 80;")
    plain = "server {" + second.partition("\nserver {")[2]
    return head.replace("127.0.0.1:6060", backend) + _on_our_port(plain)


def _on_our_port(site: str) -> str:
    site = site.replace("listen 443 ssl;", f"listen {ADDRESS}:{PORT};")
    return re.sub(r".*(\[::\]:443|ssl_certificate).*\n", "", site)


def _nginx(folder: Path, site: str) -> Command:
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf = folder / "nginx.conf"
    conf.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{site}\n}}\n"
    )
    return ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(conf)]


def nginx(folder: Path, backend: str) -> Command:
    site = (DEPLOY / "nginx.conf").read_text("utf-8")
    return _nginx(folder, _without_tls(site, backend))


def caddy(folder: Path, backend: str) -> Command:
    site = (DEPLOY / "Caddyfile").read_text("utf-8")
    site = site.replace("chat.example.org {", f"http://:{PORT} {{\n\tbind {ADDRESS}")
    own = f"{{\n\tadmin off\n\tauto_https off\n\tstorage file_system {folder}\n}}\n"
    conf = folder / "Caddyfile"
    conf.write_text(own + site.replace("127.0.0.1:6060", backend))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(conf)]


def here(program: Callable[[Path, str], Command]) -> Any:
    name = program.__name__
    missing = shutil.which(name) is None or sys.platform != "linux"
    mark = pytest.mark.skipif(missing, reason=f"no {name} here (apt-get install {name})")
    return pytest.param(program, id=name, marks=mark)


@contextlib.asynccontextmanager
async def running(line: Command, said: Path) -> AsyncIterator[None]:
    """The proxy, from when it listens until the block ends."""
    with said.open("wb") as file:
        process = await trio.lowlevel.open_process(line, stdout=file, stderr=file)
    try:
        with trio.fail_after(PATIENCE):
            while not await _listens():
                assert process.poll() is None, await trio.Path(said).read_text()
                await trio.sleep(0.01)
        yield
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _listens() -> bool:
    try:
        await (await trio.open_tcp_stream(ADDRESS, PORT)).aclose()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("proxy", [here(nginx), here(caddy)])
async def test_all_that_clients_do_goes_through(
    tmp_path: Path, proxy: Callable[[Path, str], Command]
) -> None:
    data, address = tmp_path / "data", f"http://{ADDRESS}:{PORT}"
    kept = {"data": str(data), "store": ""}
    async with running_server(server=kept, web={"forwarded_for": True}) as server:
        line = proxy(tmp_path, server.url.removeprefix("http://"))
        control = httpx.AsyncHTTPTransport(uds=str(data / "control"))
        async with (
            running(line, tmp_path / "said"),
            connected(address) as alice,
            httpx.AsyncClient(transport=control, base_url="http://x/v1") as operator,
            httpx.AsyncClient(base_url=address, timeout=PATIENCE) as web,
        ):
            await alice.register("alice")
            made = {"name": "n", "scopes": ["topics:write", "audit:read", "events:read"]}
            key = (await operator.post("/keys", json=made)).json()["key"]
            web.headers = httpx.Headers({"Authorization": f"Bearer {key}"})
            group = await _events_come_as_they_happen(key, alice)
            await _clients_cannot_say_who_they_are(web, group)
            await _uploads_of_any_size_that_is_allowed(web, alice)
            assert (await web.get("/metrics")).status_code == 404
            assert (await web.get("/health/live")).status_code == 200


async def _events_come_as_they_happen(key: str, alice: Talker) -> str:
    """Neither must the request end nor a buffer be full."""
    seen = b""

    async def until(text: str) -> None:
        nonlocal seen
        while text.encode() not in seen:
            piece = await events.receive_some()
            assert piece, seen
            seen += piece

    head = f"GET /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n"
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream(ADDRESS, PORT) as events:
            await events.send_all(head.encode())
            await until("text/event-stream")
            group = str((await alice.ask(sub={"topic": "new"}))["topic"])
            await until(group)
            for number in range(3):
                await alice.ask(pub={"topic": group, "content": f"hello {number}"})
                await until(f"hello {number}")
    return group


async def _clients_cannot_say_who_they_are(web: httpx.AsyncClient, group: str) -> None:
    lies = {"X-Forwarded-For": "8.8.8.8", "X-Real-IP": "8.8.8.8", "Forwarded": "for=8.8.8.8"}
    changed = await web.patch(f"/v1/topics/{group}", json={"tags": ["chess"]}, headers=lies)
    assert changed.status_code == 200, changed.text
    (deed, *_) = (await web.get("/v1/audit")).json()["items"]
    assert deed["action"] == "topic.change"
    assert "8.8.8.8" not in deed["origin"]


async def _uploads_of_any_size_that_is_allowed(web: httpx.AsyncClient, alice: Talker) -> None:
    mine = {"X-Tinode-APIKey": KEY, "Authorization": f"Token {alice.token}"}
    mine["Content-Type"] = f"multipart/form-data; boundary={BOUNDARY}"
    done = await web.post("/v0/file/u/", content=_file(2 * MEGABYTE), headers=mine)
    assert done.status_code == 200, done.text
    url = done.json()["ctrl"]["params"]["url"]
    got = await web.get(url, headers={**mine, "Range": "bytes=1999990-"})
    assert (got.status_code, got.content) == (206, bytes(10))
    more, fields = _file(11 * MEGABYTE), {"Host": "x", **mine}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"POST /v0/file/u/ HTTP/1.1\r\n{head}Content-Length: {len(more)}\r\n\r\n"
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream(ADDRESS, PORT) as stream:
            assert (await exchange(stream, head.encode() + more)).status == 413


def _file(size: int) -> bytes:
    return form(("file", "a.bin", "application/octet-stream", bytes(size)))


@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx here")
def test_nginx_takes_its_file_whole(tmp_path: Path) -> None:
    """With TLS, and the site that sends people there."""
    site = (DEPLOY / "nginx.conf").read_text("utf-8")
    cert = trustme.CA().issue_cert("chat.example.org")
    cert.private_key_and_cert_chain_pem.write_to_path(tmp_path / "cert.pem")
    site = re.sub(r"/etc/letsencrypt/\S+(?=;)", str(tmp_path / "cert.pem"), site)
    for number, listen in enumerate(re.findall(r"listen (\S+?)(?: ssl)?;", site)):
        site = site.replace(f"listen {listen}", f"listen unix:{tmp_path}/{number}", 1)
    done = subprocess.run([*_nginx(tmp_path, site), "-t"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("caddy") is None, reason="no caddy here")
def test_caddy_takes_its_file_as_it_stands(tmp_path: Path) -> None:
    line = ["caddy", "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    own = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    found = shutil.which("caddy")
    assert found
    done = subprocess.run([found, *line[1:]], capture_output=True, text=True, env=own)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(120)
@pytest.mark.skipif(shutil.which("nginx") is None, reason="no nginx here")
async def test_people_on_three_nodes_talk_through_nginx(tmp_path: Path, postgres_url: str) -> None:
    """The commands of cluster.md as they stand, but for ports and folders. All come from one
    address here, so the proxy goes from node to node instead.
    """
    (three, *_) = blocks(DOCS / "cluster.md", "sh")
    lines = [line.split() for line in three.text.splitlines() if line.startswith("tinode-py serve")]
    assert len(lines) == 3
    site = (DEPLOY / "nginx-cluster.conf").read_text("utf-8")
    site = _on_our_port(site.replace("hash $remote_addr consistent;", ""))
    async with contextlib.AsyncExitStack() as stack:
        for line in lines:
            word = dict(zip(line[2::2], line[3::2], strict=True))
            own = re.sub(r":\d+$", ":0", word["--set"])
            args = ("--store", postgres_url, "--set", own)
            node = await stack.enter_async_context(serving(tmp_path / word["--data"], *args))
            site = site.replace(word["--listen"], node.address)
        await stack.enter_async_context(running(_nginx(tmp_path, site), tmp_path / "said"))
        people = []
        for number in range(3):
            person = await stack.enter_async_context(connected(f"http://{ADDRESS}:{PORT}"))
            await person.register(f"person{number}")
            people.append(person)
        await _talk(*people)


async def _talk(alice: Talker, *others: Talker) -> None:
    modes = {"desc": {"defacs": {"auth": "JRWPS"}}}
    group = (await alice.ask(sub={"topic": "new", "set": modes}))["topic"]
    with trio.fail_after(PATIENCE):
        for person in others:
            while (await person.ask(sub={"topic": group}))["code"] >= 300:  # noqa: ASYNC110
                await trio.sleep(0.1)  # their nodes have no links to each other yet
        assert (await alice.ask(pub={"topic": group, "content": "hello"}))["code"] == 202
        for person in others:
            while not any("data" in packet for packet in person.heard):  # noqa: ASYNC110
                await trio.sleep(0.01)
