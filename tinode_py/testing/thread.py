"""A server in a thread of its own, for suites that are synchronous or use another loop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

import attrs
import trio

from .faults import Fault
from .running import RunningServer, running_server

T = TypeVar("T")


@attrs.define(eq=False)
class ThreadServer:
    """A server in a thread of its own, in real time. Its methods block."""

    url: str
    _server: RunningServer
    _token: trio.lowlevel.TrioToken

    def run(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call an async function in the server's thread, with it as the first argument."""
        return trio.from_thread.run(function, self._server, *args, trio_token=self._token)

    def account(self, name: str, **account: Any) -> tuple[str, str]:
        """Make an account; its user id and a token to log in with. Login and password are as
        `RunningServer.user` and `password_of` have them.
        """
        return self.run(_account, name, account)

    def drop_connections(self) -> None:
        """As of `RunningServer`; so are the next two."""
        self._call(self._server.drop_connections)

    def pause(self) -> Fault:
        return self._from_here(self._call(self._server.pause))

    def fail_commits(self) -> Fault:
        return self._from_here(self._call(self._server.fail_commits))

    def _call(self, function: Callable[[], T]) -> T:
        return trio.from_thread.run_sync(function, trio_token=self._token)

    def _from_here(self, fault: Fault) -> Fault:
        return Fault(lambda: None, lambda: self._call(fault.end))


async def _account(server: RunningServer, name: str, account: dict[str, Any]) -> tuple[str, str]:
    device = await server.user(name, **account)
    await device.aclose()
    return device.user, device.token


@contextlib.contextmanager
def server_in_thread(**settings: Any) -> Iterator[ThreadServer]:
    """A server that other threads talk to, through its URL, for the time of the block."""
    started = _Started()
    thread = threading.Thread(target=started.run, args=(settings,), name="tinode-py")
    thread.start()
    try:
        started.ready.wait()
        if started.failure is not None:
            raise started.failure
        assert started.server is not None
        yield started.server
    finally:
        started.stop()
        thread.join()


@attrs.define(eq=False)
class _Started:
    """What the thread tells of itself."""

    ready: threading.Event = attrs.field(factory=threading.Event)
    server: ThreadServer | None = None
    failure: BaseException | None = None
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _token: trio.lowlevel.TrioToken | None = None

    def run(self, settings: Mapping[str, Any]) -> None:
        try:
            trio.run(self._serve, settings)
        except BaseException as error:  # carried over to the thread that waits
            self.failure = error
        finally:
            self.ready.set()

    async def _serve(self, settings: Mapping[str, Any]) -> None:
        async with running_server(**settings) as server:
            self._token = trio.lowlevel.current_trio_token()
            self.server = ThreadServer(server.url, server, self._token)
            self.ready.set()
            with self._scope:  # inside: what is cancelled is the wait, and the server drains
                await trio.sleep_forever()

    def stop(self) -> None:
        if self._token is not None:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self._scope.cancel)
