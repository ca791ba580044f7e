"""A user who stays connected: what programs that talk to people are written with.

Here belongs what such a program calls. How gaps are filled is in `following`, how a lost
connection comes back in `staying`.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import attrs
import trio

from .backoff import Backoff
from .client import Client
from .consumers import Consumer, Consumers, Handler, Registration, is_private
from .directory import Directory, Person
from .errors import ClientError
from .events import Contact, Event, Member, Message, Notice
from .following import Following, is_passing
from .streams import NOW, Progress

REPEATABLE = 23 * 3600.0  # seconds; a server knows a key for 24 hours
CASUAL = 100  # topics that are attached only because something was published there
EVENTS = 1000  # events that wait; older ones are forgotten
_NOT_ATTACHED = 409
_UNTOLD = (401, 403, 404)  # by this server, or one that knows no such list


@attrs.define(eq=False)
class Events:
    """What happens beside messages, for one task. At most `EVENTS` wait, the newest ones."""

    _waiting: deque[Event] = attrs.field(factory=lambda: deque(maxlen=EVENTS))
    _arrived: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def put(self, event: Event) -> None:
        self._waiting.append(event)
        self._arrived.unpark()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        """The next event. Waits for ever if there is none."""
        while not self._waiting:
            await self._arrived.park()
        return self._waiting.popleft()


class Chat:
    """A user, logged in again whenever the connection was lost; made by `stay_connected`.

    Any task may use it. Calls wait while there is no connection. Of those that ask, one that is
    under way when the connection is lost raises ClientError 408; `publish` is repeated.
    """

    def __init__(
        self, nursery: trio.Nursery, kept: Mapping[str, int], directory: Directory | None = None
    ) -> None:
        self._directory = directory
        self.user = ""
        self._nursery = nursery
        self._progress = Progress(dict(kept))
        self._consumers = Consumers(self._progress, self._moved)
        self._events = Events()
        self.following = Following(self._consumers, self._events.put)
        self._iterators: dict[bool, Consumer[Message]] = {}
        self._client: Client | None = None
        self._changed = trio.lowlevel.ParkingLot()
        self.moved = trio.Event()

    # --- for whoever keeps it connected --------------------------------------------------

    def load(self, user: str, kept: Mapping[str, int]) -> None:
        """It is known who the user is, and where he was."""
        self.user = user
        self._progress.kept.update(kept)
        for name, stream in self.following.streams.items():
            if stream.position == NOW:
                stream.position = kept.get(name, NOW)

    def up(self, client: Client) -> None:
        self._client = client
        self._changed.unpark_all()

    def down(self) -> None:
        self._client = None

    def tell(self, event: Event) -> None:
        self._events.put(event)

    def positions(self) -> dict[str, int]:
        """Where everything has got to."""
        return dict(self._progress.kept)

    def finish(self) -> None:
        """The program is done with the message that it took last."""
        for consumer in self._iterators.values():
            consumer.finish()

    def _moved(self) -> None:
        self.moved.set()

    # --- messages ------------------------------------------------------------------------

    def messages(self, *, own: bool = False) -> AsyncIterator[Message]:
        """All messages to this user from now on, or from where he was: an endless iterator.

        Private ones, and those of topics that are followed; `own`: also what he wrote himself,
        here or elsewhere. Every call gives the same iterator; leaving a loop loses nothing. A
        message is done with when the next one is asked for, or at the end of the block.
        """
        if own not in self._iterators:
            self._iterators[own] = self._consumers.add(Message, self._left_out(own))
        return self._iterators[own]

    def on_message(self, handler: Handler[Message], *, own: bool = False) -> Registration:
        """Call an async function with each message, one after the other, in a task of its own.

        What it raises is logged, and the message counts as done. A slow handler makes the
        client fetch messages later; none is lost.
        """
        return self._serve(self._consumers.add(Message, self._left_out(own)), handler)

    def on_notice(self, handler: Handler[Notice]) -> Registration:
        """As `on_message`, for notices that a user must not miss: invitations and the like.

        They stand in one order with private messages, and wait until somebody takes those.
        """
        return self._serve(self._consumers.add(Notice), handler)

    def _serve(self, consumer: Consumer[Any], handler: Handler[Any]) -> Registration:
        registration = Registration()
        self._nursery.start_soon(self._consumers.serve, consumer, handler, registration)
        return registration

    def _left_out(self, own: bool) -> Callable[[], str]:
        return lambda: "" if own else self.user

    def events(self) -> AsyncIterator[Event]:
        """Presence, notes, and what becomes of the connection; nothing that must not be missed."""
        return self._events

    async def session(self) -> Client:
        """The connection of now, for all requests of the protocol; waits until there is one."""
        while self._client is None or self._client.closed:
            await self._changed.park()
        return self._client

    # --- topics --------------------------------------------------------------------------

    async def follow(self, topic: str, *, since: int | None = None) -> None:
        """Attach to a topic, now and after every reconnect: its messages are messages to us.

        They begin where the program was, else with the number `since`, else with the next one.
        Private messages come without this; for them it brings typing and the like.
        ClientError if the server refuses; if it does so later, the event `Detached` tells.
        """
        start = NOW if since is None else since - 1
        self.following.expect(topic, self._progress.kept.get(topic, start))
        backoff = Backoff()
        while True:
            try:
                return await self.following.attach(await self.session(), topic)
            except ClientError as error:
                if not is_passing(error):
                    self.following.forget(topic)
                    raise
            await trio.sleep(backoff.next())

    async def unfollow(self, topic: str) -> None:
        """Detach from a topic and forget where it was; one stays a member."""
        self.following.forget(topic)
        await (await self.session()).leave(topic)

    async def publish(
        self,
        topic: str,
        content: Any,
        *,
        head: Mapping[str, Any] | None = None,
        idem: str = "",
        **members: Any,
    ) -> int:
        """Publish once, and return the message's number in its topic.

        Repeated under one key until the server has answered, over as many connections as it
        takes, for 23 hours at most: it is stored once. `idem` is that key where the caller may
        repeat the call himself. ClientError if the server refuses. A call that is cancelled may
        have been carried out.
        """
        keyed = {**(head or {}), "idem": idem or secrets.token_urlsafe(12)}
        backoff, last = Backoff(), trio.current_time() + REPEATABLE
        while True:
            try:
                client = await self._attached(topic)
                return await client.pub(topic, content, head=keyed, **members)
            except ClientError as error:
                if error.code == _NOT_ATTACHED:
                    self.following.attached.pop(topic, None)
                elif not is_passing(error):
                    raise
                if trio.current_time() > last:
                    raise
            await trio.sleep(backoff.next())

    async def _attached(self, topic: str) -> Client:
        """The connection, attached to a topic at least for the next request."""
        client = await self.session()
        following = self.following
        if topic in following.attached:
            return client
        await following.attach(client, topic)
        casual = [name for name in following.attached if name not in following.topics]
        if len(casual) > CASUAL:
            del following.attached[casual[0]]
            await client.leave(casual[0])
        return client

    async def typing(self, topic: str) -> None:
        """Tell others that the user is typing; call it every three seconds at most."""
        await (await self._attached(topic)).note(topic, "kp")

    async def mark_read(self, message: Message) -> None:
        """Tell others that the user has read all up to this message."""
        if message.seq:
            client = await self._attached(message.topic)
            await client.note(message.topic, "read", message.seq)

    # --- questions -----------------------------------------------------------------------

    async def contacts(self) -> list[Contact]:
        """The user's conversations."""
        reply = await (await self.session()).get("me", "sub")
        rows = reply.meta.get("sub", ())
        return [Contact.of(row) for row in rows if "topic" in row and "deleted" not in row]

    async def members(self, topic: str) -> list[Member]:
        """Who is in a topic."""
        reply = await (await self._attached(topic)).get(topic, "sub")
        rows = reply.meta.get("sub", ())
        return [Member.of(row) for row in rows if "user" in row and "deleted" not in row]

    async def online(self, topic: str = "") -> list[str]:
        """Users who are there: of those one has a conversation with, or of a topic's members."""
        if not topic:
            people = [it for it in await self.contacts() if is_private(it.topic)]
            return [person.topic for person in people if person.online]
        return [member.user for member in await self.members(topic) if member.online]

    async def people(self) -> list[Person]:
        """Everybody who is online but oneself, where the server tells that (`users.directory`);
        else those one has a conversation with.
        """
        if self._directory is not None:
            try:
                return await self._directory.online((await self.session()).token)
            except ClientError as error:
                if error.code not in _UNTOLD:
                    raise
        there = (it for it in await self.contacts() if is_private(it.topic) and it.online)
        return [Person(it.topic, it.name, it.public) for it in there]

    async def history(
        self, topic: str, *, since: int = 0, before: int = 0, limit: int = 24
    ) -> list[Message]:
        """The newest messages of a topic with `since` <= number < `before`, in order.

        `limit` is at most 100. None if there is none, or none that the user may read.
        """
        window = {"since": since, "before": before, "limit": limit}
        query = {name: number for name, number in window.items() if number}
        client = await self._attached(topic)
        reply = await client.get(topic, "data", data=query)
        return [Message.of(body) for body in sorted(reply.data, key=lambda body: body["seq"])]
