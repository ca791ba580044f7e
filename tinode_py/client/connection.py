"""Opening and closing a client's connection."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import attrs
import h11
import trio
import wsproto.utilities
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
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
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@asynccontextmanager
async def connect(
    url: str,
    *,
    api_key: str = API_KEY,
    cbor: bool = False,
    timeout: float = TIMEOUT,
    buffer: int = BUFFER,
    heartbeat: float = HEARTBEAT,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Client]:
    """A client connected to `url`; leaving the block closes it.

    `url` is `http://host:port`, `ws://…`, `https://…`, or `unix:/path/of/socket`; a path ending
    in `/v0/channels` is added unless it has one. `cbor`: speak CBOR instead of JSON. `timeout`:
    seconds for each answer. `heartbeat`: seconds of silence after which the server is probed.
    `tls`: whom to trust, instead of whom the system trusts.

    ClientError if there is no server (408), or none that wants us (the status of its refusal).
    """
    try:
        with trio.fail_after(timeout):
            place = await _open(url, tls)
    except trio.TooSlowError:
        raise ClientError(DISCONNECTED, "no answer") from None
    except OSError as error:
        raise _refusal(error) from error
    terms = Terms(api_key, cbor, timeout, buffer, heartbeat)
    async with _talking(place, terms) as client:
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
    terms = Terms(api_key, cbor, timeout, buffer, heartbeat)
    async with _talking(Place(stream), terms) as client:
        yield client


@attrs.frozen
class Place:
    """An open connection, and what is asked for at its other end."""

    stream: trio.abc.Stream
    host: str = "localhost"
    path: str = _PATH


@attrs.frozen
class Terms:
    """What `connect` was given."""

    api_key: str
    cbor: bool
    timeout: float
    buffer: int
    heartbeat: float


@asynccontextmanager
async def _talking(place: Place, terms: Terms) -> AsyncIterator[Client]:
    """A client over an open connection, which is closed whatever happens."""
    try:
        async with _what_it_is(), kept_apart() as nursery:
            socket = await _wrapped(nursery, place, terms)
            client = Client(socket, terms.cbor, terms.timeout, terms.buffer)
            nursery.start_soon(client.read)
            nursery.start_soon(client.keep_alive, terms.heartbeat)
            try:
                yield client
            finally:
                await client.aclose()
    finally:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(place.stream)


@asynccontextmanager
async def _what_it_is() -> AsyncIterator[None]:
    """An other end that speaks no websocket makes the library's reader fail: a ClientError."""
    try:
        yield
    except BaseExceptionGroup as group:
        protocol, other = group.split((h11.ProtocolError, wsproto.utilities.ProtocolError))
        if other is not None or protocol is None:
            raise
        raise ClientError(DISCONNECTED, "no connection: this is no websocket") from group


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


async def _wrapped(nursery: trio.Nursery, place: Place, terms: Terms) -> WebSocketConnection:
    resource = f"{place.path}?apikey={terms.api_key}"
    stream = cast(trio.SocketStream, place.stream)  # the library asks for no more than a stream
    try:
        with trio.fail_after(terms.timeout):
            return await wrap_client_stream(
                nursery, stream, place.host, resource, max_message_size=MESSAGE_SIZE
            )
    except trio.TooSlowError:
        raise ClientError(DISCONNECTED, "no answer") from None
    except (ConnectionClosed, HandshakeError) as error:
        raise _refusal(error) from error


def _refusal(error: Exception) -> ClientError:
    if isinstance(error, ConnectionRejected):
        return ClientError(error.status_code, "the server refuses the connection")
    return ClientError(DISCONNECTED, f"no connection: {error or type(error).__name__}")


async def _open(url: str, tls: ssl.SSLContext | None) -> Place:
    if url.startswith("unix:"):
        return Place(await trio.open_unix_socket(url.removeprefix("unix:")))
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a server")
    path = parts.path.rstrip("/")
    path = path if path.endswith(_PATH) else path + _PATH
    port = parts.port or _PORTS[parts.scheme]
    if parts.scheme in ("http", "ws"):
        return Place(await trio.open_tcp_stream(parts.hostname, port), parts.netloc, path)
    secured = await trio.open_ssl_over_tcp_stream(
        parts.hostname, port, https_compatible=True, ssl_context=tls
    )
    return Place(secured, parts.netloc, path)
