"""Calls as methods, twice: of a client on Trio, and of one that blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

import attrs

from .call import Call, Page
from .errors import Nonsense

P = ParamSpec("P")
T = TypeVar("T")


class Asks(Protocol):
    """Who carries out calls, on Trio."""

    def carry_out(self, call: Call[T]) -> Awaitable[T]: ...


class Blocks(Protocol):
    """Who carries out calls while the caller waits."""

    def carry_out(self, call: Call[T]) -> T: ...


class Described(Generic[P]):
    """A method made of a function that describes a call."""

    def __init__(self, describe: Callable[P, Call[Any]]) -> None:
        self.__wrapped__ = describe
        self.__doc__ = describe.__doc__
        self.__name__ = describe.__name__


class Asked(Described[P], Generic[P, T]):
    """`await backend.read_user(…)`."""

    def __init__(self, describe: Callable[P, Call[T]]) -> None:
        super().__init__(describe)
        self.describe = describe

    def __get__(self, backend: Asks | None, owner: type[Any]) -> Callable[P, Awaitable[T]]:
        if backend is None:
            return self.describe  # type: ignore[return-value]  # for help()

        def method(*args: P.args, **members: P.kwargs) -> Awaitable[T]:
            return backend.carry_out(self.describe(*args, **members))

        return method


class AskedBlocking(Described[P], Generic[P, T]):
    """`backend.read_user(…)`."""

    def __init__(self, describe: Callable[P, Call[T]]) -> None:
        super().__init__(describe)
        self.describe = describe

    def __get__(self, backend: Blocks | None, owner: type[Any]) -> Callable[P, T]:
        if backend is None:
            return self.describe  # type: ignore[return-value]  # for help()

        def method(*args: P.args, **members: P.kwargs) -> T:
            return backend.carry_out(self.describe(*args, **members))

        return method


class All(Described[P], Generic[P, T]):
    """`async for user in backend.all_users()`: the rows of all pages, each asked for in time."""

    def __init__(self, describe: Callable[P, Call[Page[T]]]) -> None:
        super().__init__(describe)
        self.describe = describe

    def __get__(self, backend: Asks | None, owner: type[Any]) -> Callable[P, AsyncIterator[T]]:
        if backend is None:
            return self.describe  # type: ignore[return-value]  # for help()

        def method(*args: P.args, **members: P.kwargs) -> AsyncIterator[T]:
            return _rows(backend, self.describe(*args, **members))

        return method


class AllBlocking(Described[P], Generic[P, T]):
    """`for user in backend.all_users()`."""

    def __init__(self, describe: Callable[P, Call[Page[T]]]) -> None:
        super().__init__(describe)
        self.describe = describe

    def __get__(self, backend: Blocks | None, owner: type[Any]) -> Callable[P, Iterator[T]]:
        if backend is None:
            return self.describe  # type: ignore[return-value]  # for help()

        def method(*args: P.args, **members: P.kwargs) -> Iterator[T]:
            return _rows_blocking(backend, self.describe(*args, **members))

        return method


async def _rows(backend: Asks, call: Call[Page[T]]) -> AsyncIterator[T]:
    following: Call[Page[T]] | None = call
    while following is not None:
        page = await backend.carry_out(following)
        for row in page.rows():
            yield row
        following = _after(following, page)


def _rows_blocking(backend: Blocks, call: Call[Page[T]]) -> Iterator[T]:
    following: Call[Page[T]] | None = call
    while following is not None:
        page = backend.carry_out(following)
        yield from page.rows()
        following = _after(following, page)


def _after(call: Call[Page[T]], page: Page[T]) -> Call[Page[T]] | None:
    """The call for the next page. Nonsense if that is this page again."""
    onward = page.onward()
    if not onward:
        return None
    query = {**call.query, **onward}
    if query == dict(call.query):
        raise Nonsense(f"{call.method} {call.path}: the page is followed by itself")
    return attrs.evolve(call, query=query)
