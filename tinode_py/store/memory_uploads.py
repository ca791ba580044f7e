"""What uploads and references to them mean, on dicts."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from ..changes import DropUploads, LinkUploads, PurgeUploaded, PutUpload
from ..queries import LooseUploads, UploadById, UploadedBy
from ..records import Range, Upload
from .tables import Tables


def put_upload(tables: Tables, change: PutUpload) -> bool:
    """False if it is more than its sender may upload in a day."""
    key = (change.who, change.day)
    size = tables.uploaded.rows.get(key, 0) + change.upload.size
    if 0 < change.limit < size:
        return False
    tables.uploaded.put(key, size)
    tables.uploads.put(change.upload.id, change.upload)
    return True


def link_uploads(tables: Tables, change: LinkUploads) -> None:
    owner, seq = change.owner, change.seq
    if not seq:
        _unlink(tables, lambda link: link[:2] == (owner, 0) and link[2] not in change.uploads)
    for upload in change.uploads:
        if upload in tables.uploads.rows:
            tables.upload_links.put((owner, seq, upload), None)


def drop_uploads(tables: Tables, change: DropUploads) -> None:
    linked = _linked(tables)
    for upload in change.uploads:
        if upload not in linked:
            tables.uploads.drop(upload)


def purge_uploaded(tables: Tables, change: PurgeUploaded) -> None:
    for key in list(tables.uploaded.rows):
        if key[1] < change.before:
            tables.uploaded.drop(key)


def unlink_messages(tables: Tables, topic: str, ranges: Iterable[Range]) -> None:
    """Messages were deleted for all."""
    found = tuple(ranges)
    _unlink(
        tables,
        lambda link: (
            link[0] == topic and link[1] > 0 and any(r.low <= link[1] < r.hi for r in found)
        ),
    )


def unlink_all(tables: Tables, owner: str) -> None:
    """A topic or a user is gone."""
    _unlink(tables, lambda link: link[0] == owner)


def forget_uploader(tables: Tables, user: str) -> None:
    """An account has ended; what it has uploaded stays as long as something refers to it."""
    for key, upload in list(tables.uploads.rows.items()):
        if upload.user == user:
            tables.uploads.put(key, attrs.evolve(upload, user=""))
    for place in list(tables.uploaded.rows):
        if place[0] == user:
            tables.uploaded.drop(place)


def _unlink(tables: Tables, wanted: Callable[[tuple[str, int, str]], bool]) -> None:
    for link in list(tables.upload_links.rows):
        if wanted(link):
            tables.upload_links.drop(link)


def _linked(tables: Tables) -> set[str]:
    return {upload for _, _, upload in tables.upload_links.rows}


def upload_by_id(tables: Tables, query: UploadById) -> Upload | None:
    return tables.uploads.rows.get(query.id)


def loose_uploads(tables: Tables, query: LooseUploads) -> tuple[str, ...]:
    linked = _linked(tables)
    found = sorted(
        (upload.created, upload.id)
        for upload in tables.uploads.rows.values()
        if upload.id not in linked and upload.created < query.before
    )
    return tuple(name for _, name in found[: query.limit])


def uploaded_by(tables: Tables, query: UploadedBy) -> int:
    return tables.uploaded.rows.get((query.who, query.day), 0)
