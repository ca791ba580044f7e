"""How nodes reach each other: over TCP or a Unix socket, with TLS where there are files for it.

With TLS both sides show a certificate of the cluster's own authority. Whose it is, is not looked
at: a node is whoever has one and holds the secret (`handshake`).
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import trio

from ..settings.cluster import Cluster, ClusterTls


class Reach:
    """Opens and takes connections. Making one reads the files, if there are any: OSError or
    ssl.SSLError if they cannot be used.
    """

    def __init__(self, files: ClusterTls) -> None:
        self._files = files
        self._near, self._far = self._read()

    def reload(self) -> None:
        """Read the files again, for new connections. If that fails, all stays as it was."""
        self._near, self._far = self._read()

    async def connect(self, address: str) -> trio.abc.Stream:
        """A connection to `host:port`, `[v6]:port` or `unix:path`.

        Raises OSError; with TLS the handshake is still to come, and what fails there is a
        BrokenResourceError of the first use.
        """
        if address.startswith("unix:"):
            return await trio.open_unix_socket(address.removeprefix("unix:"))
        host, _, port = address.rpartition(":")
        stream = await trio.open_tcp_stream(host.strip("[]"), int(port))
        return stream if self._near is None else trio.SSLStream(stream, self._near)

    def take(self, stream: trio.abc.Stream) -> trio.abc.Stream:
        """A connection that another node has made, as it is to be used."""
        if self._far is None or _is_local(stream):
            return stream
        return trio.SSLStream(stream, self._far, server_side=True)

    def _read(self) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
        if not self._files.cert:
            return None, None
        return self._context(ssl.PROTOCOL_TLS_CLIENT), self._context(ssl.PROTOCOL_TLS_SERVER)

    def _context(self, protocol: ssl._SSLMethod) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self._files.cert, self._files.key)
        context.load_verify_locations(self._files.ca)
        return context


def is_reachable(address: str) -> bool:
    """Whether a node on this machine may reach one at `address`. A Unix socket that is not here is
    on another machine, or gone with its node.
    """
    return not address.startswith("unix:") or Path(address.removeprefix("unix:")).exists()


def is_refusal(error: OSError) -> bool:
    """Whether connecting failed because nobody listens at the address, wherever it was tried."""
    cause = error.__cause__
    tried = cause.exceptions if isinstance(cause, ExceptionGroup) else (cause or error,)
    return all(isinstance(each, ConnectionRefusedError) for each in tried)


def advertised(cluster: Cluster, own: tuple[str, int] | str) -> str:
    """Where other nodes reach one that listens at `own`, as the system has it: it may have chosen
    the port. Of a Unix socket that is what the settings say.
    """
    if cluster.advertise or isinstance(own, str):
        return cluster.advertise or cluster.listen
    return f"{cluster.listen.rpartition(':')[0]}:{own[1]}"


def listening_at(path: Path) -> trio.SocketListener:
    """Listen at a Unix socket, for this user only. One that a dead process has left is replaced;
    that nobody alive has it is the caller's to know. OSError.
    """
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen()
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


def _is_local(stream: trio.abc.Stream) -> bool:
    sock = stream.socket if isinstance(stream, trio.SocketStream) else None
    return sock is not None and sock.family == trio.socket.AF_UNIX
