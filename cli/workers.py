"""`serve --workers N`: the process that starts the workers, and keeps them going.

It holds the data folder and what the server listens on, starts the workers, starts another one
where one has ended, and hands on what it is told. It serves nobody, and never imports the server.

Between it and each worker is a stream (`tinode_py.worker.Worker.line`): a byte lets the worker
begin, a byte says that it serves, the end says that it is to stop. So workers stop by themselves
if this process is killed; and as they have the lock of the data folder as well, it is free when
the last of them has ended.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import attrs
import click
import trio

from tinode_py.auth.secrets import make_folder
from tinode_py.config import ConfigError, Settings
from tinode_py.store.lock import data_lock
from tinode_py.web.listen import AddressError, open_listeners, paths_of, url_of
from tinode_py.web.operator_socket import LONGEST, NO_DOOR, near_path, open_door
from tinode_py.worker import Worker

log = logging.getLogger("tinode_py.workers")

FOLDER = "workers"  # in the data folder: the sockets between them
LEAST, MOST = 0.1, 30.0  # seconds until another one is started
SETTLED = 30.0  # seconds after which a worker's end has nothing to do with its beginning
GO = b"g"

Command = Callable[[Worker], Sequence[str]]


@attrs.frozen
class Ground:
    """What all workers share, as descriptors and paths."""

    folder: str
    listen: tuple[int, ...]
    control: tuple[int, ...]
    lock: int
    urls: tuple[str, ...]
    close: Callable[[], None]  # takes no more connections, as far as this process goes


@attrs.define(eq=False)
class Child:
    """A worker's process, and the stream to it."""

    number: int
    process: trio.Process
    line: trio.SocketStream
    serves: bool = False
    hung_up: bool = False  # told to read its settings again before it could hear that

    async def begin(self) -> bool:
        """Let it begin, and wait until it serves; False if it has ended instead."""
        try:
            await self.line.send_all(GO)
            self.serves = bool(await self.line.receive_some(1))
        except (trio.BrokenResourceError, trio.ClosedResourceError):  # it ended, or is to stop
            pass
        if self.serves and self.hung_up:
            self.process.send_signal(signal.SIGHUP)
        return self.serves

    async def wait_ended(self) -> int:
        """The code with which it ends; there is no stream to it any more."""
        code = await self.process.wait()
        self.serves = False
        await self.line.aclose()
        return code

    def stop(self) -> None:
        """Tell it to drain. It may be told again."""
        with contextlib.suppress(OSError):
            self.line.socket.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        """Tell it to read its settings again."""
        self.hung_up = not self.serves
        if self.serves:
            self.process.send_signal(signal.SIGHUP)


@attrs.define(eq=False)
class Crew:
    """All workers. `command` is what a worker runs."""

    count: int
    ground: Ground
    command: Command
    children: dict[int, Child] = attrs.field(factory=dict)
    _stopping: trio.Event = attrs.field(factory=trio.Event)
    _code: int = 0

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Run until told to stop; the exit code. `on_ready` is called when all serve."""
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._obey)
                if await self._all_begin():
                    if not self._stopping.is_set():
                        on_ready()
                    async with trio.open_nursery() as keeping:
                        for number in self.children:
                            keeping.start_soon(self._keep, number)
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await self._end_all()
        return self._code

    async def _all_begin(self) -> bool:
        """Start all; False if one could not begin. The first one makes what all need."""
        for number in range(1, self.count + 1):
            await self._start(number, fresh=number == 1)
        first, *others = self.children.values()
        for group in ([first], others):
            async with trio.open_nursery() as beginning:
                for child in group:
                    beginning.start_soon(self._begin, child)
            if self._code:
                return False
        return True

    async def _begin(self, child: Child) -> None:
        if await child.begin() or self._stopping.is_set():
            return
        code = await child.process.wait()
        if code != 2:  # else it has said itself what is wrong
            log.error("worker %d %s before it could serve", child.number, _end_of(code))
        self._code = self._code or (2 if code == 2 else 1)

    async def _end_all(self) -> None:
        """Whoever still runs has no more to do."""
        for child in self.children.values():
            child.process.kill()
            await child.process.wait()
            await child.line.aclose()

    async def _keep(self, number: int) -> None:
        """Start another worker where one has ended, until told to stop. One that ends at once, time
        after time, or cannot be started, is tried ever more seldom.
        """
        began, pauses = trio.current_time(), _pauses()
        while True:
            child = self.children[number]
            code = await child.wait_ended()
            if self._stopping.is_set():
                self._code = self._code or int(code != 0)
                return
            if trio.current_time() - began > SETTLED:
                pauses = _pauses()
            why = f"worker {number} (process {child.process.pid}) {_end_of(code)}"
            if not await self._replaced(number, why, pauses):
                return
            began, child = trio.current_time(), self.children[number]
            if await child.begin():
                log.info("worker %d serves again (process %d)", number, child.process.pid)

    async def _replaced(self, number: int, why: str, pauses: Iterator[float]) -> bool:
        """Start another process, however often that has to be tried; False: all are to stop."""
        while True:
            pause = next(pauses)
            log.error("%s; another one is started in %g s", why, pause)
            with trio.move_on_after(pause):
                await self._stopping.wait()
            if self._stopping.is_set():
                return False
            try:
                await self._start(number)
            except OSError as error:  # no memory, say: that must not end those which serve
                why = f"worker {number} cannot be started: {error.strerror or error}"
            else:
                return True

    async def _start(self, number: int, *, fresh: bool = False) -> Child:
        """A process for a worker, which waits for the word to begin. OSError if there is none."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        ground, line = self.ground, theirs.fileno()
        worker = Worker(
            *(number, self.count, ground.folder, line, ground.listen, ground.control, fresh)
        )
        with theirs, contextlib.ExitStack() as unless_started:
            unless_started.callback(ours.close)
            process = await trio.lowlevel.open_process(
                list(self.command(worker)),
                pass_fds=(line, ground.lock, *ground.listen, *ground.control),
                process_group=0,  # what a terminal says to all, the workers hear from us
            )
            unless_started.pop_all()
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
        child = self.children[number] = Child(number, process, stream)
        if self._stopping.is_set():
            child.stop()
        return child

    async def _obey(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do what signals say; a second one to stop ends all at once."""
        told = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        with trio.open_signal_receiver(*told) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP:
                    for child in self.children.values():
                        child.hang_up()
                elif self._stopping.is_set():
                    for child in self.children.values():
                        child.process.kill()
                    os._exit(1)
                else:
                    self._stopping.set()
                    self.ground.close()
                    for child in self.children.values():
                        child.stop()


async def supervise(settings: Settings, count: int, command: Command) -> None:
    """Serve by `count` workers until told to stop. ConfigError for what the settings ask and
    cannot be; click.exceptions.Exit with the code of a worker that could not begin.
    """
    Worker(count, count, "", 0, ()).settings(settings)  # that of the highest number is possible
    async with prepared(settings) as ground:
        log.info("starting %d workers", count)
        code = await Crew(count, ground, command).run(lambda: _say_ready(ground))
    if code:
        raise click.exceptions.Exit(code)


def _say_ready(ground: Ground) -> None:
    print(f"listening on {', '.join(ground.urls)}", file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def prepared(settings: Settings) -> AsyncIterator[Ground]:
    """What all workers share, for the time of the block."""
    data = Path(settings.server.data)
    make_folder(data)
    with data_lock(data) as lock:
        folder = _folder_in(data)
        _empty(Path(folder))
        listeners = await _listeners(settings)
        control = await _control(data)
        both = (*listeners, *control)
        paths = paths_of(both)

        def close() -> None:
            for listener in both:
                listener.socket.close()

        try:
            yield Ground(
                folder,
                tuple(listener.socket.fileno() for listener in listeners),
                tuple(listener.socket.fileno() for listener in control),
                lock,
                tuple(url_of(listener, bool(settings.web.tls.cert)) for listener in listeners),
                close,
            )
        finally:
            close()
            for path in paths:
                path.unlink(missing_ok=True)
            _empty(Path(folder))


def _folder_in(data: Path) -> str:
    path, room = data / FOLDER, LONGEST - len("/door-999")
    fitting = [it for it in (str(path.absolute()), near_path(path)) if len(os.fsencode(it)) <= room]
    if not fitting:
        raise ConfigError("server.data", f"{path}: too long a path for the workers' sockets")
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise ConfigError("server.data", f"{path}: {error.strerror}") from None
    return fitting[0]


def _empty(folder: Path) -> None:
    """Remove the sockets of workers that have ended."""
    for path in folder.iterdir():
        path.unlink(missing_ok=True)


async def _listeners(settings: Settings) -> list[trio.SocketListener]:
    try:
        return await open_listeners(settings.server.listen)
    except AddressError as error:
        raise ConfigError("server.listen", str(error)) from None


async def _control(data: Path) -> list[trio.SocketListener]:
    try:
        return await open_door(data)
    except AddressError as error:
        log.warning(NO_DOOR, error)
        return []


def _pauses() -> Iterator[float]:
    pause = LEAST
    while True:
        yield pause
        pause = min(2 * pause, MOST)


def _end_of(code: int) -> str:
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
