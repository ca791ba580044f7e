"""One connection to every other member of the cluster, kept up for as long as both are members.

The node with the lower number connects, the other accepts. A connection that is lost is made
again after a pause that grows, with chance in it; one that is dead shows by its silence, and one
that the other side has made anew takes the place of the one that was there.

What a connection does is said in `peer`, how both sides know each other in `handshake`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Container, Coroutine, Iterable
from typing import Any

import attrs
import trio

from ..live.complaints import Complaints
from ..store.coordination import Member
from . import handshake
from .handshake import Credentials, NoLink
from .lookout import Connect, Lookout
from .peer import Handler, Peer, Terms
from .protocol import Message
from .strangers import BROKEN, IN_TIME, Strangers, origin

__all__ = ["Handler", "Links", "Peer"]

log = logging.getLogger(__name__)


@attrs.frozen
class _Table:
    """The peers that are connected now; tells the handler after it knows itself."""

    handler: Handler
    peers: dict[int, Peer] = attrs.field(factory=dict)

    def connected(self, peer: Peer) -> None:
        self.peers[peer.id] = peer
        log.info("there is a link to node %d", peer.id)
        self.handler.connected(peer)

    def received(self, peer: Peer, message: Message) -> Coroutine[Any, Any, None]:
        return self.handler.received(peer, message)

    def lost(self, peer: Peer) -> None:
        del self.peers[peer.id]
        self.handler.lost(peer)


class Links:
    """The links of node `me`, a number of one run of it: the next run has links of its own.

    `connect` opens a stream to the address of a member; OSError or BrokenResourceError if it
    cannot. `secret` is the cluster's, `lease` in seconds, `queue` in bytes for each peer. `signs`
    are those of life in a lease. `bury` is asked to see to a node that seems to have ended;
    whether it is no member now. `address` is where others reach this one. In `ending` are those
    whose end is no surprise, as of now.
    """

    def __init__(
        self,
        me: int,
        secret: bytes,
        connect: Connect,
        handler: Handler,
        *,
        random_bytes: Callable[[int], bytes],
        lease: float = 5.0,
        queue: int = 16_777_216,
        signs: int = 5,
        bury: Callable[[int], Awaitable[bool]] | None = None,
        address: str = "",
        ending: Container[int] = frozenset(),
    ) -> None:
        self.me = me
        self._credentials = Credentials(me, secret, random_bytes)
        self._connect = connect
        self._ending = ending
        self._table = _Table(handler)
        self._terms = Terms(ping=lease / signs, silence=lease, queue=queue)
        self._members: dict[int, Member] = {}
        self._keepers: dict[int, trio.CancelScope] = {}
        self._strangers = Strangers()
        self._nursery: trio.Nursery | None = None
        self._told = trio.Event()  # who is a member
        self._lookout = bury and Lookout(
            *(me, address, connect, bury), members=lambda: self._members, linked=self.peers
        )
        self._complaints = Complaints(log, trio.current_time)

    @property
    def peers(self) -> dict[int, Peer]:
        """Those that are connected now, by number."""
        return self._table.peers

    def members(self, members: Iterable[Member]) -> None:
        """Who there should be a link to, from now on; this node may be among them."""
        self._members = {member.id: member for member in members if member.id != self.me}
        self._told.set()
        if self._nursery is not None:
            self._reconcile(self._nursery)

    async def run(self) -> None:
        """Keep the links up until cancelled; then every peer is lost before it returns.

        Call it once. Connections are accepted while it runs.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._reconcile(nursery)
                try:
                    await trio.sleep_forever()
                finally:
                    self._nursery = None  # before the nursery is closed to new tasks
        finally:
            self._strangers.end()
            with trio.CancelScope(shield=True):
                for peer in list(self.peers.values()):
                    peer.reset("this node ends it")
                    await peer.wait_ended()

    async def accept(self, stream: trio.abc.Stream) -> None:
        """Serve a connection that somebody has made, until it is over; closes it. Never raises
        for what the other side does.
        """
        try:
            met = await self._meet(stream)
            if met is not None:
                await self._serve(stream, *met)
        finally:
            await trio.aclose_forcefully(stream)

    # --- connecting ----------------------------------------------------------------------

    def _reconcile(self, nursery: trio.Nursery) -> None:
        for them, peer in self.peers.items():
            if them not in self._members:
                peer.reset("it is no member of the cluster any more")
        for them in self._keepers.keys() - self._members.keys():
            self._keepers.pop(them).cancel()
        for them in self._members.keys() - self._keepers.keys():
            if them > self.me:
                scope = self._keepers[them] = trio.CancelScope()
                nursery.start_soon(self._keep, them, scope)
        if self._lookout:
            for them in self._lookout.quiet(self._terms.silence):
                nursery.start_soon(self._lookout.look, them)

    async def _keep(self, them: int, scope: trio.CancelScope) -> None:
        """Connect, and again when the connection is lost."""
        least, most = self._terms.ping / 10, self._terms.ping
        pause = least
        with scope:
            while (member := self._members.get(them)) is not None:
                began = trio.current_time()
                await self._call(member)
                if trio.current_time() - began > self._terms.silence:
                    pause = least
                chance = self._credentials.random_bytes(1)[0] / 255
                await trio.sleep(pause * (1 + chance) / 2)
                pause = min(pause * 2, most)

    async def _call(self, member: Member) -> None:
        stream: trio.abc.Stream | None = None
        try:
            with trio.fail_after(IN_TIME):
                stream = await self._connect(member.address)
                version = await handshake.connect(stream, self._credentials, member.id)
        except NoLink as no:
            why: str = no.why
            if why == "it closed the connection":
                why += ": its log says why"
            self._no_link(member, why)
        except trio.TooSlowError:
            self._no_link(member, f"no answer within {IN_TIME:g} s")
        except BROKEN as error:
            self._no_link(member, str(error.__cause__ or error) or "the connection broke")
        else:
            await self._serve(stream, member.id, version)
        finally:
            if stream is not None:
                await trio.aclose_forcefully(stream)

    def _no_link(self, member: Member, why: str) -> None:
        text = f"no link to node {member.id} ({member.name}, {member.address}): {why}"
        self._complaints.say(("no link", member.id, why), text, self._level(member.id))

    # --- accepting -----------------------------------------------------------------------

    async def _meet(self, stream: trio.abc.Stream) -> tuple[int, int] | None:
        """Which node it is, and the version to speak; None if it is none."""
        why = f"it did not show within {IN_TIME:g} s who it is"
        try:
            with self._strangers.one():
                await self._told.wait()  # a node that has just joined is connected to at once
                return await handshake.accept(stream, self._credentials, self._is_member)
        except NoLink as no:
            why = no.why
        except BROKEN:
            why = "the connection broke"
        self._complaints.say(("refused", why), f"refused a connection{origin(stream)}: {why}")
        return None

    def _is_member(self, them: int) -> bool:
        return self._nursery is not None and them in self._members

    # --- connected -----------------------------------------------------------------------

    async def _serve(self, stream: trio.abc.Stream, them: int, version: int) -> None:
        while (former := self.peers.get(them)) is not None:
            former.reset("another connection takes its place")
            await former.wait_ended()
        if not self._is_member(them):
            return
        peer = Peer(them, self._terms, version=version)
        await peer.run(stream, self._table)
        if self._nursery is None:
            return
        text = f"lost the link to node {them}: {peer.reason}"
        self._complaints.say(("lost", them), text, self._level(them))
        if self._lookout and self._is_member(them):
            self._nursery.start_soon(self._lookout.look, them)

    def _level(self, them: int) -> int:
        """How bad it is to have no link to a node."""
        is_missed = them in self._members and them not in self._ending
        return logging.WARNING if is_missed else logging.INFO
