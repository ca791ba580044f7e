"""Uploaded files and what refers to them, in SQL, by index alone.

A trigger counts the references of each file.
"""

from __future__ import annotations

from ..changes import DropUploads, LinkUploads, PurgeUploaded, PutUpload
from ..queries import LooseUploads, UploadById, UploadedBy
from ..records import Range, Upload
from . import rows
from .statements import Statements

_COLUMNS = ("id", "user", "created", "size", "type", "etag")
_PUT = rows.upsert("upload", _COLUMNS)
_UPLOAD = f"SELECT {rows.selected('u', _COLUMNS)} FROM upload AS u WHERE u.id = ?"
_COUNT = """
INSERT INTO uploaded (who, day, size) VALUES (?1, ?2, ?3)
ON CONFLICT (who, day) DO UPDATE SET size = uploaded.size + excluded.size
WHERE ?4 = 0 OR uploaded.size + excluded.size <= ?4"""
_LINK = """
INSERT INTO upload_link (owner, seq, upload)
SELECT ?1, ?2, u.id FROM json_each(?3) AS j CROSS JOIN upload AS u ON u.id = j.value WHERE true
ON CONFLICT (owner, seq, upload) DO NOTHING"""
_UNLINK_PICTURE = """
DELETE FROM upload_link
WHERE owner = ?1 AND seq = 0 AND upload NOT IN (SELECT value FROM json_each(?2))"""
_UNLINK_RANGES = """
DELETE FROM upload_link WHERE (owner, seq, upload) IN (
    SELECT l.owner, l.seq, l.upload FROM json_each(?2) AS r CROSS JOIN upload_link AS l
    WHERE l.owner = ?1 AND l.seq > 0 AND l.seq >= CAST(r.value ->> 0 AS BIGINT)
        AND l.seq < CAST(r.value ->> 1 AS BIGINT))"""
_DROP = """
DELETE FROM upload WHERE refs = 0 AND id IN (SELECT value FROM json_each(?))"""
_LOOSE = """
SELECT id FROM upload WHERE refs = 0 AND created < ? ORDER BY created, id LIMIT ?"""


def put_upload(db: Statements, change: PutUpload) -> bool:
    """False if it is more than its sender may upload in a day."""
    item = change.upload
    if change.limit and item.size > change.limit:
        return False
    if db.run(_COUNT, (change.who, change.day, item.size, change.limit)) != 1:
        return False
    db.run(_PUT, (item.id, item.user, item.created, item.size, item.type, item.etag))
    return True


def link_uploads(db: Statements, change: LinkUploads) -> None:
    listed = rows.encoded(change.uploads)
    if not change.seq:
        db.run(_UNLINK_PICTURE, (change.owner, listed))
    db.run(_LINK, (change.owner, change.seq, listed))


def drop_uploads(db: Statements, change: DropUploads) -> None:
    db.run(_DROP, (rows.encoded(change.uploads),))


def purge_uploaded(db: Statements, change: PurgeUploaded) -> None:
    db.run("DELETE FROM uploaded WHERE day < ?", (change.before,))


def unlink_messages(db: Statements, topic: str, ranges: tuple[Range, ...]) -> None:
    """Messages were deleted for all."""
    db.run(_UNLINK_RANGES, (topic, rows.encoded([(r.low, r.hi) for r in ranges])))


def unlink_all(db: Statements, owner: str) -> None:
    """A topic or a user is gone."""
    db.run("DELETE FROM upload_link WHERE owner = ?", (owner,))


def forget_uploader(db: Statements, user: str) -> None:
    """An account has ended; what it has uploaded stays as long as something refers to it."""
    db.run("UPDATE upload SET user = '' WHERE user = ?1 AND user <> ''", (user,))
    db.run("DELETE FROM uploaded WHERE who = ?", (user,))


def upload_by_id(db: Statements, query: UploadById) -> Upload | None:
    row = db.row(_UPLOAD, (query.id,))
    return None if row is None else Upload(*row)


def loose_uploads(db: Statements, query: LooseUploads) -> tuple[str, ...]:
    return tuple(row[0] for row in db.rows(_LOOSE, (query.before, query.limit)))


def uploaded_by(db: Statements, query: UploadedBy) -> int:
    row = db.row("SELECT size FROM uploaded WHERE who = ? AND day = ?", (query.who, query.day))
    return 0 if row is None else int(row[0])
