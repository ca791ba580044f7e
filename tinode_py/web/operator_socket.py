"""Where the operator's door is: a Unix socket in the data folder. Who is behind it: `control`."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from .listen import AddressError, open_listeners

NAME = "control"
MODE = 0o600
NO_DOOR = "no control socket, commands will not reach this server: %s"
LONGEST = 100  # bytes of a path that fits into a socket's address everywhere


def near_path(path: Path) -> str:
    """What a process in this working folder opens to reach a socket: the shorter of the absolute
    path and the relative one, for addresses of sockets are short.
    """
    absolute = path.absolute()
    relative = Path(os.path.relpath(absolute))
    return str(min(absolute, relative, key=lambda path: len(bytes(path))))


def address(folder: Path) -> str:
    """What a process in this working folder opens to reach the socket of a data folder."""
    return near_path(folder / NAME)


async def open_door(folder: Path) -> list[trio.SocketListener]:
    """Listen at the socket of a data folder. AddressError if the path is too long for a socket,
    or the folder takes none.
    """
    path = address(folder)
    if len(os.fsencode(path)) > LONGEST:
        raise AddressError("the path is too long for a socket")
    return await open_listeners([f"unix:{path}"], unix_mode=MODE)
