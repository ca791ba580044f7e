"""A client for servers that speak the Tinode v0 protocol, on Trio.

    async with tinode_py.client.connect("http://127.0.0.1:6060") as client:
        await client.hi()
        await client.login("alice", "alice's password")
        await client.sub("me")
        async for packet in client:
            ...

Packets are plain dicts as the protocol has them: `{"pres": {"topic": "me", ...}}`.
"""

from __future__ import annotations

from .client import Client
from .codec import Packet
from .connection import API_KEY, connect, connect_over
from .errors import ClientError
from .reply import Reply

__all__ = ["API_KEY", "Client", "ClientError", "Packet", "Reply", "connect", "connect_over"]
