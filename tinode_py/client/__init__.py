"""A client for servers that speak the Tinode v0 protocol, on Trio.

Two floors. `stay_connected` is a user who stays connected, for programs that talk to people:

    async with stay_connected("http://127.0.0.1:6060", Password("alice", "secret")) as alice:
        async for message in alice.messages():
            await alice.publish(message.topic, f"You said: {message.text}")

`connect` is one connection, for everything the protocol has. Its packets are plain dicts:

    async with connect("http://127.0.0.1:6060") as client:
        await client.hi()
        await client.login("alice", "secret")
        await client.sub("me")
        async for packet in client:
            ...  # {"pres": {"topic": "me", ...}}
"""

from __future__ import annotations

from .chat import Chat
from .client import Client
from .codec import Packet
from .connection import API_KEY, connect, connect_over
from .consumers import Registration
from .directory import Directory, Person
from .errors import ClientError
from .events import (
    Connected,
    Contact,
    Detached,
    Disconnected,
    Event,
    Member,
    Message,
    Note,
    Notice,
    Presence,
)
from .logins import Password, Register, Token, Visitor
from .positions import FilePositions, MemoryPositions, Positions
from .reply import Reply
from .staying import stay_connected, stay_connected_by

__all__ = [
    "API_KEY",
    "Chat",
    "Client",
    "ClientError",
    "Connected",
    "Contact",
    "Detached",
    "Directory",
    "Disconnected",
    "Event",
    "FilePositions",
    "Member",
    "MemoryPositions",
    "Message",
    "Note",
    "Notice",
    "Packet",
    "Password",
    "Person",
    "Positions",
    "Presence",
    "Register",
    "Registration",
    "Reply",
    "Token",
    "Visitor",
    "connect",
    "connect_over",
    "stay_connected",
    "stay_connected_by",
]
