"""The way to change something: through a server, as root, whether one runs or not.

Where a server holds the data folder, its control socket is used. Else this process holds the
folder for a moment and is the server itself, without a port: the same rules, the same notices
to those concerned. Either way requests are packets, so a command has one implementation.
"""

from __future__ import annotations

import contextlib
import getpass
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import httpx
import trio

from tinode_py.auth.secrets import make_folder
from tinode_py.client import Client, ClientError, connect
from tinode_py.client.reply import Reply
from tinode_py.config import Settings
from tinode_py.settings.serving import Tls
from tinode_py.store.lock import LockedError, data_lock

from .failure import Failure, Unusable
from .look import place_of

Packet = Mapping[str, Any]
T = TypeVar("T")


@attrs.define
class Door:
    """A root session, and what lies beside it. `where` says whose, for people."""

    client: Client
    web: httpx.AsyncClient
    database: str
    process: int | None  # of the server that runs; None: nobody serves

    @property
    def where(self) -> str:
        if self.process is None:
            return f"in {self.database}"
        return f"through the server, process {self.process}"

    @property
    def told(self) -> dict[str, Any]:
        """The same for programs."""
        via = "store" if self.process is None else "server"
        return {"via": via, "database": self.database}

    async def ask(self, packet: Packet, *, user: str = "", root: bool = False) -> Reply:
        """Send one request, for `user` if given (`root`: with root's level, not his own).

        ClientError if the server refuses.
        """
        extra = {"obo": user, "authlevel": "root" if root else "auth"} if user else {}
        return await self.client.request({**packet, **({"extra": extra} if extra else {})})

    @contextlib.asynccontextmanager
    async def attached(self, topic: str, user: str) -> AsyncIterator[None]:
        """Be in a topic in the place of one of its members (`topic` as he calls it)."""
        await self.ask({"sub": {"topic": topic}}, user=user)
        try:
            yield
        finally:
            with contextlib.suppress(ClientError):  # a topic that has ended is left already
                await self.ask({"leave": {"topic": topic}}, user=user)

    async def get(self, path: str) -> Any:
        return await self._http("GET", path)

    async def post(self, path: str, body: Packet) -> Any:
        return await self._http("POST", path, json=body)

    async def patch(self, path: str, body: Packet) -> Any:
        return await self._http("PATCH", path, json=body)

    async def ask_business(self, method: str, path: str, body: Packet | None = None) -> Any:
        """Any request of the business API."""
        return await self._http(method, path, **({} if body is None else {"json": body}))

    async def delete(self, path: str) -> None:
        await self._http("DELETE", path)

    async def _http(self, method: str, path: str, **more: Any) -> Any:
        response = await self.web.request(method, f"http://control{path}", **more)
        if response.status_code >= 400:
            body = response.json()
            raise ClientError(response.status_code, body.get("error") or body.get("detail", ""))
        return response.json() if response.content else None


@contextlib.asynccontextmanager
async def acting(settings: Settings, *, bare: bool = False) -> AsyncIterator[Door]:
    """A door to the data that the settings name; the folder is made if there is none.

    `bare`: where no server runs, settings that the store holds do not count.
    LockedError or Unusable if the folder is held by something that has no control socket.
    """
    path = place_of(settings)
    folder = Path(settings.server.data)
    make_folder(folder)
    try:
        with data_lock(folder):
            pass
    except LockedError as held:
        async with _connected(folder, path, held) as door:
            yield door
        return
    async with _serving_nobody(settings, bare=bare), _connected(folder, path, None) as door:
        yield door


@contextlib.asynccontextmanager
async def _serving_nobody(settings: Settings, *, bare: bool) -> AsyncIterator[None]:
    """A server without a port, in this process."""
    from tinode_py.server import Parts, running  # slow to import, and others need it not

    server = attrs.evolve(settings.server, listen=())
    web = attrs.evolve(settings.web, tls=Tls(), static="")
    with _quiet(logging.getLogger("tinode_py")):
        nobody = attrs.evolve(settings, server=server, web=web)
        async with running(nobody, Parts(inline=True, bare=bare)):
            yield


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Of a server that is there for one command, only errors are said."""
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextlib.asynccontextmanager
async def _connected(folder: Path, path: str, held: LockedError | None) -> AsyncIterator[Door]:
    from tinode_py.web.operator_socket import address

    socket = address(folder)
    transport = httpx.AsyncHTTPTransport(uds=socket)
    async with contextlib.AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(connect(f"unix:{socket}", timeout=30.0))
            await client.hi(ua=name_of_command(), bkg=True)
        except ClientError as error:
            if error.code == 403:
                who = f"takes commands of root and of its own user only, not of user {os.geteuid()}"
                raise Unusable(f"the server {who}") from None
            why = held or "this command's own server did not begin"
            raise Unusable(f"{why}, which cannot be reached through {socket}") from None
        web = httpx.AsyncClient(transport=transport, headers={"User-Agent": name_of_command()})
        await stack.enter_async_context(web)
        process = None if held is None else held.process or 0
        yield Door(client, web, path, process)


def name_of_command() -> str:
    """What this command calls itself, with the person at the terminal: the audit keeps it."""
    try:
        person = os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in containers
        person = str(os.getuid())
    return "tinode-py command" + (f" ({person})" if person.isascii() else "")


def through(settings: Settings, work: Callable[[Door], Awaitable[T]]) -> tuple[Door, T]:
    """Carry out `work` through a door; the door, closed by now, and what came of it."""

    async def run() -> tuple[Door, T]:
        async with acting(settings) as door:
            return door, await work(door)

    return trio.run(run)


@contextlib.contextmanager
def refusals(**sentences: str) -> Iterator[None]:
    """Turn a refusal into a Failure: `c404="nobody has …"` says what that code means here."""
    try:
        yield
    except ClientError as error:
        sentence = sentences.get(f"c{error.code}") or f"refused: {error}"
        raise Failure(sentence) from None
