"""Who may use the control socket: root, and the user whom the server runs as."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import trio
import trio.testing
from trio.testing import open_stream_to_socket_listener

from tests.process import PATIENCE, serving
from tinode_py.live.sockets import peer_user
from tinode_py.testing import running_server
from tinode_py.web.apikey import ApiKeys
from tinode_py.web.control import may_control

NOBODY = 65534
AS_NOBODY = f"""
import os, socket, sys
os.chdir(sys.argv[1])
os.setgid({NOBODY}); os.setuid({NOBODY})
with socket.socket(socket.AF_UNIX) as one:
    one.connect("control")
    one.sendall(b"GET /statistics HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(one.recv(4096).partition(b"\\r\\n")[0].decode())
"""


def test_root_and_the_servers_own_user() -> None:
    assert may_control(0, 1000)
    assert may_control(1000, 1000)
    assert not may_control(1001, 1000)
    assert not may_control(1000, 0)
    assert may_control(None, 1000)


async def test_the_kernel_says_who_is_there(tmp_path: Path) -> None:
    where = {"store": "", "data": str(tmp_path)}
    seen = []
    async with running_server(server=where):
        stream = await trio.open_unix_socket(tmp_path / "control")
        seen.append(peer_user(stream))  # the server, from here
        await stream.send_all(b"GET /statistics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await stream.receive_some(64)).startswith(b"HTTP/1.1 200")
        await stream.aclose()
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with listener, await open_stream_to_socket_listener(listener) as plain:
            seen.append(peer_user(plain))
    assert seen == [os.geteuid(), None]
    assert peer_user(object()) is None


async def test_of_two_who_rotate_the_clients_key_at_once_one_is_refused(tmp_path: Path) -> None:
    """So both keys that clients may have by then are good."""
    where = {"store": "", "data": str(tmp_path)}
    head = b"POST /api-salt HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"
    async with running_server(server=where) as running:
        before = ApiKeys(running.server.settings.web.api_salt).make()
        slow, fast = [await trio.open_unix_socket(tmp_path / "control") for _ in range(2)]
        async with slow, fast:
            await slow.send_all(head + b"{")
            await trio.testing.wait_all_tasks_blocked()
            await fast.send_all(head + b"{}")
            answer = await fast.receive_some()
            assert answer.startswith(b"HTTP/1.1 200")
            await slow.send_all(b"}")
            refused = await slow.receive_some()
        assert refused.startswith(b"HTTP/1.1 409")
        assert b"somebody else has just rotated" in refused
        given = json.loads(answer.partition(b"\r\n\r\n")[2])["apikey"]
        assert running.server.doors.keys.valid(given)
        assert running.server.doors.keys.valid(before)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_another_user_is_turned_away_even_where_the_modes_let_him_in(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with serving(data) as server:
        data.chmod(0o711)
        (data / "control").chmod(0o666)
        with trio.fail_after(PATIENCE):
            done = await trio.run_process(
                [sys.executable, "-c", AS_NOBODY, str(data)], capture_stdout=True
            )
        assert done.stdout.decode().strip() == "HTTP/1.1 403 Forbidden"
        assert f"opened by user {NOBODY}" in await server.wait_said("the control socket")
