"""Both clients behind one face, so that a test plays with either."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import attrs
import trio

from tinode_py.backend import Backend, BlockingBackend, Terms

KINDS = ("trio", "blocking")


@attrs.define(eq=False)
class Twin:
    """Calls of one client, awaited; `asked` holds the names of those that were made."""

    client: Any
    asked: set[str] = attrs.field(factory=set)

    @property
    def blocks(self) -> bool:
        return isinstance(self.client, BlockingBackend)

    async def __call__(self, name: str, /, *args: Any, **members: Any) -> Any:
        self.asked.add(name)
        method = partial(getattr(self.client, name), *args, **members)
        if self.blocks:
            return await trio.to_thread.run_sync(method, abandon_on_cancel=True)
        return await method()

    async def all(self, name: str, /, *args: Any, **members: Any) -> list[Any]:
        """The rows of an `all_…`."""
        self.asked.add(name)
        rows = getattr(self.client, name)(*args, **members)
        if self.blocks:
            return await trio.to_thread.run_sync(list, rows)
        return [row async for row in rows]

    def events(self, **options: Any) -> Events:
        return Events(self.client.events(**options), self.blocks)


@attrs.define(eq=False)
class Events:
    """A stream of events of either client."""

    stream: Any
    blocks: bool

    async def next(self) -> Any:
        if self.blocks:
            return await trio.to_thread.run_sync(next, self.stream, abandon_on_cancel=True)
        return await anext(self.stream)

    async def close(self) -> None:
        await (trio.to_thread.run_sync(self.stream.close) if self.blocks else self.stream.aclose())


@contextlib.asynccontextmanager
async def twin(kind: str, url: str, key: str, **terms: Any) -> AsyncIterator[Twin]:
    """A client of one kind, for the time of the block."""
    if kind == "trio":
        async with Backend(url, key, terms=Terms(**terms)) as backend:
            yield Twin(backend)
    else:
        with _closing(BlockingBackend(url, key, terms=Terms(**terms))) as client:
            yield Twin(client)


@contextlib.contextmanager
def _closing(client: BlockingBackend) -> Iterator[BlockingBackend]:
    with client:
        yield client
