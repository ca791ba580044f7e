"""One upload: a form is read to its end, its file goes to the disk meanwhile.

What a field may decide is decided after the form: who sends it (`auth`, `secret`, `sid`), and
whether he may without an account (`topic`). Who is refused by the head alone is still read to
the end, so that he gets his answer with his `id`, but his file is kept nowhere.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import aclosing

import attrs
import trio
from starlette.requests import Request

from .. import errors
from ..errors import Refused
from ..live.uploads import Sender, Uploads
from ..media.transit import Draft
from ..records import Upload
from .cors import Cors
from .credentials import of_head, of_request, query_of
from .form import Form, MalformedForm, form_of
from .gate import Gate
from .head import RequestHead

log = logging.getLogger(__name__)

NEWCOMER = "newacc"  # the topic of a picture for an account that is not there yet


@attrs.frozen
class Bounds:
    """What one upload may cost: bytes of the whole body, seconds."""

    size: int
    time: float


@attrs.define
class Incoming:
    """A request to upload, as far as it is known."""

    request: Request
    head: RequestHead
    gate: Gate
    uploads: Uploads
    bounds: Bounds
    cors: Cors
    user: str = ""
    fields: Mapping[str, str] = attrs.field(factory=dict)  # of the form, once it was read
    _no: Refused | None = None  # what the head alone says

    @property
    def ident(self) -> str:
        return self.fields.get("id") or self._query.get("id", "")

    @property
    def _query(self) -> Mapping[str, str]:
        return query_of(self.head)

    @property
    def _sender(self) -> Sender:
        return Sender(self.user, self.gate.address(self.request))

    async def probe(self) -> None:
        """Would an upload be taken, by its head? Refused if not."""
        self.gate.check_key(self.head)
        self.user = await self._whoever()
        self._check_user()

    async def take(self) -> Upload:
        """Receive the file and keep it. Refused, MediaError, StoreError, ClientDisconnect."""
        if self.head.header("x-tinode-apikey") or self._query.get("apikey"):
            self.gate.check_key(self.head)
        if of_head(self.head) or "sid" in self._query:
            try:
                self.user = await self._whoever()
            except Refused as no:
                self._no = no
        if int(self.head.header("content-length") or 0) > self.bounds.size:
            self._too_large()
        if self.user:
            await self.uploads.check_quota(self._sender)
        async with self.uploads.receiving() as draft:
            form = self._form(draft)
            await self._read(form, draft)
            await self._decide()
            if form.declared is None or not draft.size:
                raise Refused(errors.MALFORMED)
            return await self.uploads.keep(draft, self._sender, form.declared)

    async def _whoever(self) -> str:
        sid = self._query.get("sid") or self.fields.get("sid", "")
        cookies = self.cors.may_use_cookies(self.head)
        found = of_request(self.head, self.fields, cookies=cookies)
        return await self.gate.user(found, sid, self.gate.address(self.request))

    def _check_user(self) -> None:
        topic = self._query.get("topic") or self.fields.get("topic", "")
        if not self.user and topic != NEWCOMER:
            raise Refused(errors.AUTH_REQUIRED)

    def _too_large(self) -> None:
        """Refused, for a form that is not read (on): it has no fields."""
        self.gate.check_key(self.head)
        if self._no:
            raise self._no
        self._check_user()
        raise Refused(errors.TOO_LARGE)

    def _form(self, draft: Draft) -> Form:
        take = draft.add if self._no is None else _leave
        try:
            return form_of(self.head.header("content-type"), take)
        except MalformedForm as error:
            log.info("malformed upload: %s", error)
            raise Refused(errors.MALFORMED) from None

    async def _read(self, form: Form, draft: Draft) -> None:
        """Read the whole body. A malformed one is read to its end, and has no file then."""
        size, malformed = 0, False
        with trio.move_on_after(self.bounds.time):
            async with aclosing(self.request.stream()) as chunks:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self.bounds.size:
                        self._too_large()
                    malformed = malformed or not _fed(form, chunk)
                    await draft.settle()
            self.fields = form.fields
            if malformed or not _fed(form, b"", last=True):
                form.declared = None
            return
        raise Refused(errors.TOO_SLOW)

    async def _decide(self) -> None:
        """Refused unless the form, too, says nothing against it."""
        self.gate.check_key(self.head, self.fields)
        if self._no:
            raise self._no
        if not self.user:
            self.user = await self._whoever()
        self._check_user()
        await self.uploads.check_quota(self._sender)


def _leave(data: bytes) -> None:
    """The file of somebody who may not send one."""


def _fed(form: Form, chunk: bytes, *, last: bool = False) -> bool:
    """Read on in the form; False if it is none."""
    try:
        form.feed(chunk)
        if last:
            form.end()
    except MalformedForm as error:
        log.info("malformed upload: %s", error)
        return False
    return True
