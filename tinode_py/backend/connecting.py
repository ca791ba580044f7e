"""What both drivers ask of httpx: where the server is, who asks, and what its errors mean."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import attrs
import httpx

from .call import Call
from .exchange import Lost, Terms
from .following import Open

CONNECTIONS = 100
SILENCE = 60.0  # seconds after which a stream that says nothing is opened again
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_KEY = re.compile(r"[\x21-\x7e]+")


@attrs.frozen
class Place:
    """A server's address; `socket`: the path of a Unix socket, None for TCP."""

    base: str
    socket: str | None = None


def place_of(url: str) -> Place:
    """ValueError for what is no address of a server."""
    if url.startswith("unix:"):
        return Place("http://localhost", url.removeprefix("unix:"))
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise ValueError(f"{url!r} is no address of a server")
    return Place(url.rstrip("/"))


def headers_of(key: str) -> dict[str, str]:
    """Nothing is asked for in compressed form: a bound on bytes is to be one."""
    if not _KEY.fullmatch(key):
        raise ValueError("the key is empty, or has characters that no key has")
    return {"authorization": f"Bearer {key}", "accept-encoding": "identity"}


def transport_options(place: Place, tls: ssl.SSLContext | None) -> dict[str, object]:
    """No proxy of the environment gets to see the key. Whom the system trusts is trusted."""
    if tls is None and place.base.startswith("https:"):
        tls = ssl.create_default_context()
    if tls is None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and costs nothing
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    return {"verify": tls, "trust_env": False, "limits": limits, "uds": place.socket}


def client_options(place: Place, key: str, terms: Terms) -> dict[str, object]:
    return {
        "base_url": place.base,
        "headers": headers_of(key),
        "timeout": terms.timeout,
        "follow_redirects": False,
        "trust_env": False,
    }


def request_of(call: Call[object]) -> dict[str, object]:
    """The arguments of httpx's `build_request`."""
    content = call.content()
    kind = {} if content is None else {"content-type": "application/json"}
    return {
        "method": call.method,
        "url": call.path,
        "params": call.parameters(),
        "content": content,
        "headers": kind,
    }


def stream_of(wanted: Open, timeout: float, silence: float) -> dict[str, object]:
    """The same, for the stream of events."""
    return {
        "method": "GET",
        "url": "/v1/events",
        "params": wanted.parameters(),
        "headers": {"accept": "text/event-stream"},
        "timeout": httpx.Timeout(timeout, read=silence),
    }


def is_stream(response: httpx.Response) -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    return response.status_code == 200 and kind == "text/event-stream" and coding == "identity"


def lost(error: httpx.HTTPError) -> Lost:
    """What a failure of the connection means. A server that is not trusted never will be."""
    if isinstance(error, httpx.ReadTimeout):
        return Lost("the server says nothing")
    causes = list(_causes(error))
    why = next((str(it) for it in causes if str(it)), type(error).__name__)
    if isinstance(error, NOT_SENT):
        final = any(isinstance(it, ssl.SSLCertVerificationError) for it in causes)
        return Lost(f"no connection: {why}", sent=False, final=final)
    return Lost(f"the connection was lost: {why}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what caused it, back to the first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
