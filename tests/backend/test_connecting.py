"""Where a server may be: behind TLS, at a Unix socket, below a path."""

from __future__ import annotations

import math
import ssl
from pathlib import Path

import pytest
import trustme

from tests.backend.liars import lying, says, whole
from tests.backend.twins import KINDS, twin
from tests.web.v1.conftest import key_for
from tinode_py.backend import Backend, BlockingBackend, Terms, Unreachable, calls
from tinode_py.testing import running_server

IMPATIENT = Terms(patience=0.0)


async def test_only_servers_that_are_trusted_get_the_key(tmp_path: Path):
    authority = trustme.CA()
    cert = authority.issue_cert("127.0.0.1")
    cert.private_key_pem.write_to_path(tmp_path / "key.pem")
    cert.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    tls = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")}
    async with running_server(web={"tls": tls}) as server:
        key = await key_for(server)
        assert server.url.startswith("https://")
        async with Backend(server.url, key, tls=trusting) as backend:
            assert (await backend.read_server()).build
        for kind in KINDS:  # at once: asking again would be the same
            async with twin(kind, server.url, key, patience=math.inf) as api:
                with pytest.raises(Unreachable, match="certificate"):
                    await api("read_server")
                with pytest.raises(Unreachable, match="certificate"):
                    await api.events(after=0).next()


async def test_a_unix_socket(tmp_path: Path):
    place = f"unix:{tmp_path}/socket"
    async with running_server(server={"listen": [place]}) as server:
        async with Backend(place, await key_for(server)) as backend:
            assert (await backend.read_server()).build
        async with Backend(f"unix:{tmp_path}/nobody", "key", terms=IMPATIENT) as backend:
            with pytest.raises(Unreachable, match="no connection"):
                await backend.read_server()


async def test_a_server_below_a_path():
    async with lying(says(whole(b'{"seq": 1}'))) as liar:
        async with Backend(f"{liar.url}/chat/", "key") as backend:
            await backend.edit_message("grpAAAAAAAAAAE", 1, "x")
        assert liar.heads[0].startswith(b"PATCH /chat/v1/topics/grpAAAAAAAAAAE/messages/1 ")


def test_what_is_secret_is_not_shown():
    for kind, client in zip(KINDS, (Backend, BlockingBackend), strict=True):
        assert "tnk_secret" not in repr(client("http://127.0.0.1:1", "tnk_secret")), kind
    key = calls.OneKey.__attrs_attrs__
    assert not key.key.repr
    assert not calls.Ticket.__attrs_attrs__.url.repr
    assert not calls.OneHook.__attrs_attrs__.secret.repr
