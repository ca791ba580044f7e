"""The server as a process: its listeners, the web, the database, logs."""

from __future__ import annotations

from typing import Literal

import attrs

from .keys import key, table, without_password

DEFAULT_API_SALT = "T713/rYYgW7g4m3vG6zGRh7+FM1t0T8j13koXScOAj4="  # public: fits official clients


@attrs.frozen
class Server:
    listen: tuple[str, ...] = key(
        ("127.0.0.1:6060",), "Addresses: `host:port`, `[v6]:port` or `unix:path`."
    )
    data: str = key("tinode-data", "Folder of the database, uploads and secrets.")
    store: str = key(
        "",
        "`sqlite:///path`, `postgresql://user@host/database`, `memory:`, or the store of another"
        " node: `peer://host:port` (its `cluster.listen`), `peer+unix:/path`; empty: SQLite in the"
        " data folder.",
        shown=without_password,
    )
    drain_seconds: float = key(5.0, "Time for work in flight at the end.", unit="seconds")
    ping_seconds: float = key(
        49.5, "Silence after which a session is pinged.", unit="seconds", low=0.1
    )
    read_timeout: float = key(
        55.0, "Silence after which a session has vanished.", unit="seconds", low=0.1
    )


@attrs.frozen
class Postgres:
    connections: int = key(
        8, "Connections to the database: one writes, the others read.", low=2, high=1000
    )


@attrs.frozen
class Tls:
    cert: str = key("", "File of the certificate chain, PEM; set: the listeners speak TLS.")
    key: str = key("", "File of the private key, PEM.")


@attrs.frozen
class LongPoll:
    poll_seconds: float = key(
        50.0, "A poll that nothing comes for is answered after this.", unit="seconds", low=0.1
    )
    life_seconds: float = key(
        70.0, "A session that nobody asks for is over after this.", unit="seconds", low=1
    )
    sessions: int = key(10000, "Sessions at a time; one more is answered 503. 0: none at all.")
    per_address: int = key(
        1000,
        "Of these, sessions from one address; 0: no bound. Behind a proxy, set"
        " `web.forwarded_for`. Clients of a Unix socket are not counted.",
    )


@attrs.frozen
class Metrics:
    enabled: bool = key(True, "Whether `/metrics` is there.")
    token: str = key(
        "",
        "What `Authorization: Bearer` must carry, from anywhere; empty: only clients on this"
        " machine that no proxy stands before are answered.",
        secret=True,
    )


@attrs.frozen
class Web:
    origins: tuple[str, ...] = key((), "Origins that may open a session; none: any.")
    cors_origins: tuple[str, ...] = key(
        (),
        "Origins whose pages may use files and the API; `*`: any, without cookies"
        " (docs/protocol.md).",
    )
    public_url: str = key(
        "",
        "Where clients reach the server from outside, `https://chat.example`, with a path if a"
        " proxy adds one. Tickets name it, and its pages are the server's own. Empty: what the"
        " request was sent to.",
    )
    forwarded_for: bool = key(
        False, "Whether `X-Forwarded-For` tells the client's address: only behind a proxy."
    )
    api_salt: str = key(
        DEFAULT_API_SALT,
        "Salt that validates API keys, base64; the default fits the official clients. Empty:"
        " only `web.api_keys` are valid.",
    )
    former_api_salt: str = key(
        "", "Salt before `api_salt`, whose keys are valid for a time (`tinode-py key rotate`)."
    )
    former_api_until: int = key(0, "When they are valid no more.", unit="milliseconds since 1970")
    api_keys: tuple[str, ...] = key((), "API keys that are valid whatever the salt says.")
    page: bool = key(True, "Whether `/` is the chat page that comes with the server.")
    admin: bool = key(
        True,
        "Whether `/admin/` is the operators' page; it needs root's login.",
    )
    static: str = key("", "Folder of a web client to serve at `/`, in place of that page.")
    head_size: int = key(16384, "Largest head of a request.", unit="bytes", low=1024)
    head_timeout: float = key(
        10.0, "Time for a request's head and for a handshake.", unit="seconds", low=0.1
    )
    longpoll: LongPoll = table(LongPoll, "Long polling, for clients without websockets.")
    metrics: Metrics = table(Metrics, "Figures for Prometheus (docs/metrics.md).")
    tls: Tls = table(Tls, "TLS on the listeners; the files are read again on SIGHUP.")


@attrs.frozen
class Log:
    level: Literal["debug", "info", "warning", "error"] = key("info", "Least level logged.")
    format: Literal["text", "json"] = key("text", "One line of text, or one JSON object, each.")
