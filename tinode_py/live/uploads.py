"""Uploads over their life: received, kept, found, let go of when nothing refers to them.

The bytes are on a shelf (`media`), what is known of them is in the store. They go onto the
shelf before the store is told, and leave it after the store has forgotten them; in between they
are marked in `transit`. So a crash loses nothing that was acknowledged, and `settle` finds what
it left behind.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Callable

import attrs
import trio

from .. import ids
from ..changes import Batch, Committed, DropUploads, PurgeUploaded, PutUpload
from ..config import ConfigError, Settings, is_lasting
from ..errors import POLICY, UNAVAILABLE, Refused, StoreError
from ..media import work
from ..media.base import MediaError, Shelf
from ..media.folder import Folder
from ..media.kinds import HEAD, kind_of
from ..media.made import media_of
from ..media.transit import Draft, Transit
from ..media.work import Run
from ..queries import LooseUploads, UploadById, UploadedBy
from ..records import Upload
from ..store.base import Store
from ..worker import Worker
from .lending import Lending
from .placement import Companions

log = logging.getLogger(__name__)

DAY = 86_400_000  # ms
EVERY = 3600.0  # seconds from one round to the next
PAGE = 100  # uploads let go of in one commit
NOBODYS = 30 * DAY  # ms after which nobody can have an upload that has not been let go of
MOST = 10_000  # loose uploads of other nodes that are looked past
_OVER = {"what": "upload_per_day"}


@attrs.frozen
class Sender:
    """Who uploads: a user, or somebody who has no account yet, known by his address."""

    user: str
    address: str

    @property
    def name(self) -> str:
        """Under which his uploads of a day are counted."""
        return self.user or f"address:{self.address}"


@attrs.define(eq=False)
class Uploads:
    """The uploads of a server."""

    settings: Settings
    store: Store
    transit: Transit
    shelf: Shelf
    now: Callable[[], int]
    random_bytes: Callable[[int], bytes]
    lending: Lending | None = None  # to and from other nodes, each with a folder of its own
    _receiving: int = 0

    # --- coming in -----------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def receiving(self) -> AsyncIterator[Draft]:
        """A new file, to be filled inside the block and then kept, or else thrown away.

        Refused with 503 if too many come in, or the disk is nearly full. MediaError if the
        disk does not take it.
        """
        if self._receiving >= self.settings.limits.uploads or not self._has_room():
            raise Refused(UNAVAILABLE)
        self._receiving += 1
        try:
            draft = self.transit.begin(ids.new_body(self.random_bytes), HEAD)
            try:
                yield draft
            finally:
                draft.discard()
        finally:
            self._receiving -= 1

    def _has_room(self) -> bool:
        """Whether the disk would take all that may come, this one included."""
        coming = (self._receiving + 1) * self.settings.limits.file_size
        return self.transit.free() >= self.settings.media.reserve + coming

    async def check_quota(self, sender: Sender) -> None:
        """Refused with 422 for who has sent all that he may today."""
        limit = self.settings.limits.upload_per_day
        if limit:
            asked = UploadedBy(sender.name, self.now() // DAY)
            if await self.store.fetch(asked) >= limit:
                raise Refused(POLICY, _OVER)

    async def keep(self, draft: Draft, sender: Sender, declared: str) -> Upload:
        """Keep what was received, durably; `declared` is its type as the sender says.

        Refused with 422 if it is more than he may send in a day. Once begun it is not cancelled.
        """
        with trio.CancelScope(shield=True):
            received = await draft.finish()
            now, kind = self.now(), kind_of(draft.head, declared)
            size, etag = received.size, received.etag
            upload = Upload(draft.name, sender.user, now, size, kind, etag)
            await self.transit.mark([draft.name])
            await self.shelf.place(draft.name, received.path, kind)
            await self._enter(upload, sender)
        return upload

    async def _enter(self, upload: Upload, sender: Sender) -> None:
        """Tell the store of an upload that is on the shelf, or take it off again."""
        day, limit = upload.created // DAY, self.settings.limits.upload_per_day
        change = PutUpload(upload, sender.name, day, limit)
        try:
            outcome = await self.store.commit(Batch((change,)))
        except StoreError:
            await self._withdraw(upload.id)
            raise
        if outcome != Committed():
            await self._withdraw(upload.id)
            raise Refused(POLICY, _OVER)
        self.transit.unmark(upload.id)

    async def _withdraw(self, name: str) -> None:
        """Take an upload off the shelf again, of which the store does not know."""
        await self.shelf.remove(name)
        self.transit.unmark(name)

    def expires(self, upload: Upload) -> int:
        """Until when it is kept, in any case, if nothing refers to it."""
        return upload.created + self.settings.media.collect_after * 1000

    # --- there ---------------------------------------------------------------------------

    async def find(self, name: str) -> Upload | None:
        return await self.store.fetch(UploadById(name))

    async def run(self) -> None:
        """Let go of what is old, now and then, until cancelled; a failure is logged."""
        while True:
            try:
                await self.collect()
            except (StoreError, MediaError):
                log.exception("uploads to which nothing refers could not be removed")
            await trio.sleep(EVERY)

    # --- going ---------------------------------------------------------------------------

    async def settle(self) -> None:
        """At the start: take off the shelf what the store does not know. Blocks; MediaError."""
        try:
            names = self.transit.left_behind()
        except OSError as error:
            raise MediaError(f"uploads cannot be looked through: {error}") from error
        for name in names:
            await self._agree(name)

    async def _agree(self, name: str) -> None:
        if await self.find(name) is None:
            await self.shelf.remove(name)
        self.transit.unmark(name)

    async def collect(self) -> None:
        """Let go of uploads to which nothing has referred for a while. StoreError, MediaError.

        What cannot be removed stays marked, and is tried again at the next start. A node lets go
        of what is in its folder; what nobody has let go of for long is in nobody's.
        """
        now = self.now()
        before = now - self.settings.media.collect_after * 1000
        if self.lending is not None:
            await self._collect_here(before, self.lending.folder)
            before -= NOBODYS
        while names := await self.store.fetch(LooseUploads(before, PAGE)):
            await self._let_go(names)
        await self.store.commit(Batch((PurgeUploaded(now // DAY),)))

    async def _collect_here(self, before: int, folder: Folder) -> None:
        """What other nodes have stays, and is looked past."""
        others = 0
        while others <= MOST:
            names = await self.store.fetch(LooseUploads(before, PAGE + others))
            here = tuple([name for name in names if await folder.has(name)])
            if not here and len(names) < PAGE + others:
                return
            if here:
                await self._let_go(here)
            others = len(names) - len(here)

    async def _let_go(self, names: tuple[str, ...]) -> None:
        await self.transit.mark(names)
        await self.store.commit(Batch((DropUploads(names),)))
        for name in names:
            await self._agree(name)
        log.info("uploads to which nothing refers are gone", extra={"count": len(names)})


@contextlib.asynccontextmanager
async def uploads_of(
    settings: Settings,
    store: Store,
    now: Callable[[], int],
    random_bytes: Callable[[int], bytes],
    *,
    inline: bool = False,
    worker: Worker | None = None,
    companions: Companions | None = None,
) -> AsyncIterator[Uploads]:
    """The uploads of a server, with what a crash left of them put right, old ones let go of
    while the block runs. `inline`: all but S3 on the loop's thread. ConfigError if the data
    folder, or the service, cannot be used.
    """
    lasting = is_lasting(settings)
    run: Run = work.inline if inline else work.in_thread
    with media_of(settings, run, lasting=lasting, worker=worker) as media:
        lending = None
        if companions is not None and isinstance(media.shelf, Folder):
            lending = Lending(media.shelf, companions, run)
            lending.open()
        uploads = Uploads(settings, store, media.transit, media.shelf, now, random_bytes, lending)
        try:
            await uploads.settle()
        except MediaError as error:
            raise ConfigError("server.data", str(error)) from None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(uploads.run)
            yield uploads
            nursery.cancel_scope.cancel()
