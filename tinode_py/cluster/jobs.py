"""Work that only one node of the cluster does at a time.

A job is claimed like a topic. It runs where the claim is; it is cancelled there when the node can
no longer be sure of its claims, is no member any more, or will end. Another node takes it up when
the claim is void: at once if the node has left, within the lease if it has just stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import attrs
import trio

from ..errors import StoreAway, StoreError
from .claims import Claims
from .membership import Membership

log = logging.getLogger(__name__)

NAME = "job:"  # how a job is called among the claims
PAUSE = 1.0  # seconds before a job that the store has failed begins anew


@attrs.define(eq=False)
class Jobs:
    """The jobs of one member. `changed` is set when there are other members than now."""

    node: int
    claims: Claims
    membership: Membership
    changed: Callable[[], trio.Event]
    doing: set[str] = attrs.field(factory=set)
    _scopes: set[trio.CancelScope] = attrs.field(factory=set)
    _letting_go: bool = False
    _gone: bool = False

    async def owner(self, job: str) -> int:
        """The node that does a job, or is to. StoreError if that cannot be found out."""
        return await self.claims.owner(NAME + job)

    async def hold(self, job: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work whenever it is this node's; returns when the node is no member any more.
        Work that returns, or that the store fails, begins anew.
        """
        while not self._gone:
            with trio.CancelScope() as scope:
                self._scopes.add(scope)
                try:
                    await self._turn(job, work)
                finally:
                    self._scopes.discard(scope)

    async def _turn(self, job: str, work: Callable[[], Awaitable[None]]) -> None:
        changed = self.changed()  # before the question: it may happen meanwhile
        free = not self._letting_go and self.membership.holds()
        if free and await self._is_ours(job):
            await self._do(job, work)
            await trio.sleep(PAUSE)
        else:
            with trio.move_on_after(self.membership.lease / 2):
                await changed.wait()

    async def _is_ours(self, job: str) -> bool:
        try:
            return await self.owner(job) == self.node
        except StoreError as error:
            log.debug("nobody knows whose job %r is: %s", job, error)
            return False

    async def _do(self, job: str, work: Callable[[], Awaitable[None]]) -> None:
        log.info("this node does the job %r", job)
        self.doing.add(job)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, nursery.cancel_scope)
                await work()
                nursery.cancel_scope.cancel()
        except* StoreAway as away:
            log.error("the job %r was broken off, it begins anew: %s", job, away.exceptions[0])
        except* StoreError:
            log.exception("the job %r was broken off, it begins anew", job)
        finally:
            self.doing.discard(job)
            if not self._gone:
                self.claims.release(NAME + job)

    async def _watch(self, scope: trio.CancelScope) -> None:
        """Cancel the work as soon as another node may have been given it."""
        while True:
            await trio.sleep_until(self.membership.held_until)
            if not self.membership.holds():
                scope.cancel()

    def let_go(self) -> None:
        """The node will end: its jobs are for others."""
        self._letting_go = True
        self._cancel()

    def abandon(self) -> None:
        """The node is no member any more."""
        self._gone = True
        self._cancel()

    def _cancel(self) -> None:
        for scope in list(self._scopes):
            scope.cancel()
