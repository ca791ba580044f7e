"""What a stream has beneath it: the socket, if there is one, and how to break it off."""

from __future__ import annotations

import socket
import struct

import trio

_CREDENTIALS = struct.Struct("3i")  # process, user, group
_LINGER_NOT = struct.pack("ii", 1, 0)


def socket_of(stream: object) -> trio.socket.SocketType | None:
    """The socket under a plain or a TLS stream; None under others (in-memory streams)."""
    if isinstance(stream, trio.SSLStream):
        stream = stream.transport_stream
    return stream.socket if isinstance(stream, trio.SocketStream) else None


def peer_user(stream: object) -> int | None:
    """The number of the system's user at the other end of a Unix socket, as the kernel knows
    it; None where it knows none: other sockets, no socket, systems without SO_PEERCRED.
    """
    sock, option = socket_of(stream), getattr(socket, "SO_PEERCRED", None)
    if sock is None or option is None or sock.family != socket.AF_UNIX:
        return None
    _, user, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return int(user)


def reset(stream: object) -> None:
    """Close the socket under `stream` now: what is unsent is forgotten, the peer gets a reset.

    Never blocks; tasks that wait for the socket wake with ClosedResourceError. Does nothing to
    a stream without a socket, or one closed before.
    """
    sock = socket_of(stream)
    if sock is None or sock.fileno() == -1:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    sock.close()
