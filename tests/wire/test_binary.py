"""A byte string as content: bytes for those who speak CBOR, base64 for those who speak JSON."""

from __future__ import annotations

import cbor2
import pytest

from tinode_py.testing import running_server
from tinode_py.wire.client_packets import Pub
from tinode_py.wire.codec import decode_cbor
from tinode_py.wire.encode import encode_cbor, encode_json
from tinode_py.wire.parts import Json, Time
from tinode_py.wire.server_packets import Data

BYTES = b"\x00\xff\x10abc"


def test_bytes_come_back_as_bytes():
    sent = cbor2.dumps({"pub": {"topic": "grpX", "head": {"mime": "a/b"}, "content": BYTES}})
    pub = decode_cbor(sent).request
    assert isinstance(pub, Pub)
    assert pub.content is not None
    data = Data(topic="grpX", seq=1, ts=Time(1), content=pub.content, head=pub.head)
    read = cbor2.loads(encode_cbor(data))["data"]
    assert (read["content"], read["head"]) == (BYTES, {"mime": "a/b", "bin": True})
    assert b'"content":"AP8QYWJj"' in encode_json(data)


@pytest.mark.parametrize("content", [b'"no base64!"', b"[1]", b"null"])
def test_a_mark_on_something_else_means_nothing(content: bytes):
    data = Data(topic="t", seq=1, ts=Time(1), content=Json(content), head=Json(b'{"bin":true}'))
    assert not isinstance(cbor2.loads(encode_cbor(data))["data"]["content"], bytes)


async def test_through_a_server(autojump_clock):
    async with running_server() as server:
        ann = await server.user("ann", options={"cbor": True})
        bob, eve = await server.user("bob", options={"cbor": True}), await server.user("eve")
        group = (await ann.sub("new1")).topic
        for reader in (bob, eve):
            await reader.sub(group)
            reader.receive_all_nowait()
        await ann.pub(group, BYTES, noecho=True)
        contents = []
        for reader in (bob, eve):
            while "data" not in (packet := await reader.receive()):
                pass
            contents.append(packet["data"]["content"])
        assert contents == [BYTES, "AP8QYWJj"]
