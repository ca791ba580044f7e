"""From what happened in topics to notifications in the lanes of pushers.

Topics and sessions call the synchronous methods, which put a job into a bounded queue: where
it is full the job is dropped and counted. One task takes what waits, asks the store for the
devices and the unread counts of all users concerned, and hands the finished notifications to
every lane. So a publication pays for one job, and no topic waits for the store, the less for
a service outside.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import attrs
import msgspec
import trio
from msgspec import structs

from ..changes import Batch, DropDevice
from ..core import push
from ..core.effects import Addressee, FollowChannel, Push
from ..errors import StoreError
from ..push.base import Follow, Notification, Pusher, Recipient
from ..push.base import Push as Ready
from ..push.lane import Lane, LaneStatistics
from ..queries import ChannelsOf, DeviceById, DevicesOf, UnreadOf
from ..records import Device, Message
from ..settings.services import Push as PushSettings
from ..store.base import Store
from ..wire import drafty
from ..wire.times import time_text

log = logging.getLogger(__name__)

BATCH = 64  # jobs whose users are looked up together
PATIENCE = 2.0  # seconds at the end for what waits
MEMORY = 8_388_608  # bytes of messages that may wait


@attrs.frozen
class Published:
    """A message, who is told of it, and the channel whose readers are."""

    message: Message
    to: tuple[Addressee, ...]
    channel: str = ""


@attrs.frozen
class Happened:
    """What a topic wants told, at what time, by whom it is told silently all the same."""

    push: Push
    ts: int
    at_ease: frozenset[str]


@attrs.frozen
class Registered:
    """A device has become a user's (`on`), or is his no more: channels follow."""

    device: str
    user: str
    on: bool


Job = Published | Happened | FollowChannel | Registered


@attrs.frozen
class PushStatistics:
    """`dropped` jobs since the start, and the counters of each lane."""

    dropped: int
    waiting: int
    lanes: Mapping[str, LaneStatistics]


@attrs.define(eq=False)
class Pushing:
    """The queue before the lanes, and its task."""

    store: Store
    lanes: Sequence[Lane]
    gone: trio.MemoryReceiveChannel[str]
    size: int
    now: Callable[[], int]
    _jobs: list[Job] = attrs.field(factory=list)
    _bytes: int = 0
    _dropped: int = 0
    _more: trio.Event = attrs.field(factory=trio.Event)
    _idle: trio.Event = attrs.field(factory=trio.Event)
    _busy: bool = False

    # --- what others call, and never wait for --------------------------------------------

    def published(self, message: Message, to: tuple[Addressee, ...], channel: str) -> None:
        """A message is stored."""
        if to or channel:
            self._put(Published(message, to, channel), len(message.content))

    def happened(self, effect: Push, on_me: Callable[[str], bool]) -> None:
        """A topic's `Push`; `on_me` tells who has a session attached to `me`."""
        users = frozenset(a.user for a in effect.to if effect.at_ease and on_me(a.user))
        self._put(Happened(effect, self.now(), users))

    def follow(self, effect: FollowChannel) -> None:
        self._put(effect)

    def registered(self, device: str, user: str, *, on: bool) -> None:
        self._put(Registered(device, user, on))

    def _put(self, job: Job, size: int = 0) -> None:
        if len(self._jobs) >= self.size or self._bytes + size > MEMORY:
            self._dropped += 1
            return
        self._jobs.append(job)
        self._bytes += size
        self._more.set()

    def statistics(self) -> PushStatistics:
        lanes = {lane.pusher.name: lane.statistics() for lane in self.lanes}
        return PushStatistics(self._dropped, len(self._jobs), lanes)

    async def wait_idle(self) -> None:
        """Wait until all that happened so far was handed over, or given up."""
        while self._jobs or self._busy:
            self._idle = trio.Event()
            await self._idle.wait()
        for lane in self.lanes:
            await lane.wait_idle()

    # --- the tasks -----------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the queue and the lanes until cancelled."""
        async with trio.open_nursery() as nursery:
            for lane in self.lanes:
                nursery.start_soon(lane.run, name=f"push {lane.pusher.name}")
            nursery.start_soon(self._forget_gone)
            await self._serve()

    async def _serve(self) -> None:
        while True:
            while not self._jobs:
                self._idle.set()
                self._more = trio.Event()
                await self._more.wait()
            jobs, self._jobs = self._jobs[:BATCH], self._jobs[BATCH:]
            self._bytes -= sum(len(j.message.content) for j in jobs if isinstance(j, Published))
            self._busy = True
            try:
                await self._prepare(jobs)
            except StoreError:
                self._dropped += len(jobs)
                log.exception("the store failed, notifications are lost")
            self._busy = False

    async def _prepare(self, jobs: Sequence[Job]) -> None:
        users = {user for job in jobs for user in _users(job)}
        devices = await self.store.fetch(DevicesOf(tuple(users))) if users else {}
        if all(lane.pusher.devices_only for lane in self.lanes):
            users &= devices.keys()
        told = {user for job in jobs for user in _told(job)} & users
        unread = await self.store.fetch(UnreadOf(tuple(told))) if told else {}
        book = _Book(devices, unread)
        for job in jobs:
            for notification in await self._notifications(job, book):
                for lane in self.lanes:
                    _offer(lane, notification)

    async def _notifications(self, job: Job, book: _Book) -> Sequence[Notification]:
        match job:
            case Published():
                return (_of_message(job, book),)
            case Happened():
                payload = {**job.push.payload, "ts": time_text(job.ts)}
                return (Ready(payload, book.recipients(job.push.to, job.at_ease)),)
            case FollowChannel():
                devices = job.devices or tuple(d.id for d in book.devices.get(job.user, ()))
                return (Follow(job.channel, devices, job.on),)
            case Registered():
                channels = await self.store.fetch(ChannelsOf(job.user))
                return [Follow(channel, (job.device,), job.on) for channel in channels]

    async def _forget_gone(self) -> None:
        """Devices that a service has called unknown are forgotten."""
        async for name in self.gone:
            try:
                device = await self.store.fetch(DeviceById(name))
                if device is not None:
                    await self.store.commit(Batch((DropDevice(device.user, name),)))
            except StoreError:
                log.exception("a device that is no more could not be forgotten")


@contextlib.asynccontextmanager
async def pushing_to(
    pushers: Sequence[Pusher], store: Store, settings: PushSettings, now: Callable[[], int]
) -> AsyncIterator[Pushing | None]:
    """The tasks of notifications while the block runs; None where there is no pusher.

    At the end what waits has a little time to go out.
    """
    if not pushers:
        yield None
        return
    gone, named = trio.open_memory_channel[str](1000)
    lanes = [Lane(pusher, settings.queue, settings.attempts, gone) for pusher in pushers]
    pushing = Pushing(store, lanes, named, settings.queue, now)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pushing.run, name="push")
        try:
            yield pushing
        finally:
            with trio.CancelScope(shield=True), trio.move_on_after(PATIENCE):
                await pushing.wait_idle()
            nursery.cancel_scope.cancel()


@attrs.frozen
class _Book:
    """What the store knows of the users of some jobs."""

    devices: Mapping[str, tuple[Device, ...]]
    unread: Mapping[str, int]

    def recipients(
        self, to: tuple[Addressee, ...], at_ease: frozenset[str] = frozenset(), but: str = ""
    ) -> tuple[Recipient, ...]:
        """Those who can be reached; `at_ease` and `but` are told without a sound."""
        return tuple(
            Recipient(
                a.user,
                a.topic,
                a.silent or a.user == but or a.user in at_ease,
                self.unread[a.user],
                self.devices.get(a.user, ()),
            )
            for a in to
            if a.user in self.unread
        )


def _users(job: Job) -> tuple[str, ...]:
    """Whose devices a job concerns."""
    if isinstance(job, FollowChannel):
        return () if job.devices else (job.user,)
    return _told(job)


def _told(job: Job) -> tuple[str, ...]:
    match job:
        case Published():
            return tuple(a.user for a in job.to)
        case Happened():
            return tuple(a.user for a in job.push.to)
        case _:
            return ()


def _of_message(job: Published, book: _Book) -> Ready:
    message = job.message
    payload = push.of_message(message)
    if payload.get("mime") == drafty.MIME and log.isEnabledFor(logging.DEBUG):
        wrong = drafty.problem(msgspec.json.decode(message.content))
        if wrong:
            log.debug("no valid Drafty: %s", wrong, extra={"topic": message.topic})
    silent = push.is_silent(message)
    to = tuple(structs.replace(a, silent=True) for a in job.to) if silent else job.to
    return Ready(payload, book.recipients(to, but=message.sender), job.channel, silent)


def _offer(lane: Lane, notification: Notification) -> None:
    """Spare a lane what concerns nobody."""
    if isinstance(notification, Follow):
        if notification.devices:
            lane.put(notification)
        return
    if lane.pusher.devices_only:
        to = tuple(recipient for recipient in notification.to if recipient.devices)
        notification = attrs.evolve(notification, to=to)
    if notification.to or notification.channel:
        lane.put(notification)
