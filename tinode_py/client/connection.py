"""Opening and closing a client's connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    connect_websocket_url,
    wrap_client_stream,
)

from .client import Client
from .errors import DISCONNECTED, ClientError

API_KEY = "AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K"  # the public key of the official clients
TIMEOUT = 5.0  # seconds for one answer
HEARTBEAT = 60.0  # seconds of silence after which the server is probed
BUFFER = 10_000  # packets that nobody has asked for
MESSAGE_SIZE = 64 * 1024 * 1024  # bytes of one packet of the server
_PATH = "/v0/channels"


@asynccontextmanager
async def connect(
    url: str,
    *,
    api_key: str = API_KEY,
    cbor: bool = False,
    timeout: float = TIMEOUT,
    buffer: int = BUFFER,
    heartbeat: float = HEARTBEAT,
) -> AsyncIterator[Client]:
    """A client connected to `url`; leaving the block closes it.

    `url` is `http://host:port`, `ws://…`, or `unix:/path/of/socket`; a path ending in
    `/v0/channels` is added unless it has one. `cbor`: speak CBOR instead of JSON. `timeout`:
    seconds for each answer. `heartbeat`: seconds of silence after which the server is probed.
    ClientError if there is no server (408), or none that wants us (the status of its refusal).
    """
    async with kept_apart() as nursery:
        try:
            with trio.fail_after(timeout):
                socket = await _open(nursery, url, api_key)
        except trio.TooSlowError:
            raise ClientError(DISCONNECTED, "no answer") from None
        async with _reading(nursery, Client(socket, cbor, timeout, buffer), heartbeat) as client:
            yield client


@asynccontextmanager
async def connect_over(
    stream: trio.abc.Stream,
    *,
    api_key: str = API_KEY,
    cbor: bool = False,
    timeout: float = TIMEOUT,
    buffer: int = BUFFER,
    heartbeat: float = HEARTBEAT,
) -> AsyncIterator[Client]:
    """As `connect`, over a connection that is open already, in memory or of any other kind."""
    async with kept_apart() as nursery:
        socket = await _wrap(nursery, stream, api_key)
        async with _reading(nursery, Client(socket, cbor, timeout, buffer), heartbeat) as client:
            yield client


@asynccontextmanager
async def kept_apart() -> AsyncIterator[trio.Nursery]:
    """A nursery for the connection's tasks, cancelled at the end.

    What the block raises comes out as it is, not in a group.
    """
    stack = AsyncExitStack()
    nursery = await stack.enter_async_context(trio.open_nursery())
    try:
        yield nursery
    finally:
        nursery.cancel_scope.cancel()
        await stack.aclose()  # without the error: the nursery would make a group of it


@asynccontextmanager
async def _reading(
    nursery: trio.Nursery, client: Client, heartbeat: float
) -> AsyncIterator[Client]:
    nursery.start_soon(client.read)
    nursery.start_soon(client.keep_alive, heartbeat)
    try:
        yield client
    finally:
        await client.aclose()


async def _open(nursery: trio.Nursery, url: str, api_key: str) -> WebSocketConnection:
    try:
        if url.startswith("unix:"):
            stream = await trio.open_unix_socket(url.removeprefix("unix:"))
            return await _wrap(nursery, stream, api_key)
        address = f"{_websocket_url(url)}?apikey={api_key}"
        return await connect_websocket_url(nursery, address, max_message_size=MESSAGE_SIZE)
    except (OSError, HandshakeError) as error:
        raise _refusal(error) from error


async def _wrap(
    nursery: trio.Nursery, stream: trio.abc.Stream, api_key: str
) -> WebSocketConnection:
    resource = f"{_PATH}?apikey={api_key}"
    any_stream = cast(trio.SocketStream, stream)  # the library asks for no more than a stream
    try:
        return await wrap_client_stream(
            nursery, any_stream, "localhost", resource, max_message_size=MESSAGE_SIZE
        )
    except (ConnectionClosed, HandshakeError) as error:
        raise _refusal(error) from error


def _refusal(error: Exception) -> ClientError:
    if isinstance(error, ConnectionRejected):
        return ClientError(error.status_code, "the server refuses the connection")
    return ClientError(DISCONNECTED, f"no connection: {error or type(error).__name__}")


def _websocket_url(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path.rstrip("/")
    if not path.endswith(_PATH):
        path += _PATH
    return urlunsplit((scheme, parts.netloc, path, "", ""))
