"""`tinode-py import tinode`: the way in for those who move from the reference server."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from tinode_py.auth.secrets import KEY_LENGTH, Secrets, keep_secrets
from tinode_py.config import Settings
from tinode_py.disk import sync
from tinode_py.errors import StoreError
from tinode_py.media.base import etag_of
from tinode_py.media.made import stock_of
from tinode_py.media.stock import PIECE, Stock
from tinode_py.store.lines import KIND
from tinode_py.store.migrate import migrate, packaged
from tinode_py.store.soundness import faults

from .failure import Failure, Unusable
from .making import new_database
from .options import json_option, with_settings
from .output import main_counts, tell
from .reference import NotTinode, Reference, Upload
from .reference_ids import UidKey
from .reference_sources import opened


def _decoded(_: click.Context, option: click.Parameter, text: str | None) -> bytes | None:
    """A key in base64, as the configuration of the reference has it."""
    if not text:
        return None
    try:
        found = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Unusable(f"{option.opts[0]}: not base64: {error}") from None
    if option.name == "token_key" and len(found) < KEY_LENGTH:
        raise Unusable(f"{option.opts[0]}: {len(found)} bytes, not {KEY_LENGTH} or more")
    return found


@click.command("tinode")
@click.argument("url", metavar="URL")
@click.option(
    "--uid-key",
    metavar="KEY",
    envvar="TINODE_UID_KEY",
    required=True,
    help="store_config.uid_key of its configuration; or TINODE_UID_KEY in the environment.",
)
@click.option(
    "--files",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    help="The folder of its uploads (upload_dir).",
)
@click.option(
    "--token-key",
    metavar="KEY",
    envvar="TINODE_TOKEN_KEY",
    callback=_decoded,
    help="auth_config.token.key, so that tokens stay good; or TINODE_TOKEN_KEY.",
)
@click.option(
    "--api-salt",
    metavar="SALT",
    envvar="TINODE_API_SALT",
    callback=_decoded,
    help="api_key_salt, so that API keys stay good; or TINODE_API_SALT.",
)
@json_option
@with_settings
def tinode(
    settings: Settings,
    url: str,
    uid_key: str,
    files: Path | None,
    token_key: bytes | None,
    api_salt: bytes | None,
    as_json: bool,
) -> None:
    """Move accounts, topics, messages and files over from a Tinode server's database.

    URL is postgresql://user@host/tinode or mysql://user@host/tinode; its password is better in
    PGPASSWORD, ~/.pgpass or MYSQL_PWD.
    There must be no database here yet; it appears when everything is in. Passwords go on
    working: their hashes are kept, and renewed when somebody logs in.
    """
    try:
        key = UidKey(uid_key)
    except ValueError as error:
        raise Unusable(f"--uid-key: {error}") from None
    folder, stock = Path(settings.server.data), stock_of(settings)
    with (
        new_database(settings, resume=False) as (path, making),
        opened(url) as source,
    ):
        counts, missing = _moved(Reference(source, key), making, stock, files, api_salt)
        if token_key:
            _keep_key(folder, token_key)
    told = {"done": "imported", "database": str(path), "rows": counts, "missing_files": missing}
    text = f"imported into {path}: {main_counts(counts)}, upload {counts['upload']}"
    if missing:
        text += f"\n{len(missing)} files were not found: {', '.join(missing[:5])}"
    tell(told, text, as_json=as_json)


def _moved(
    reference: Reference,
    making: Path,
    stock: Stock,
    files: Path | None,
    api_salt: bytes | None,
) -> tuple[dict[str, int], list[str]]:
    """Fill the new file, then fetch the uploads: rows by table, and files that are not there."""
    os.close(os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(making, isolation_level=None)) as target:
            migrate(target, making, packaged(), keep_copy=False)
            reference.check()
            counts = _filled(reference, target)
            if api_salt:
                salt = json.dumps(base64.b64encode(api_salt).decode())
                target.execute("INSERT INTO setting VALUES ('web.api_salt', ?)", (salt,))
            wrong = next(faults(target), None)
            if wrong:
                raise Failure(f"{wrong}; nothing was imported")
            target.execute("BEGIN")
            missing = [
                it.location for it in reference.uploads if not _fetched(it, target, stock, files)
            ]
            target.execute("COMMIT")
    except NotTinode as error:
        raise Failure(str(error)) from None
    except sqlite3.Error as error:
        raise StoreError(f"{making}: {error}; nothing was imported") from None
    sync(making)
    return counts, missing


def _filled(reference: Reference, target: sqlite3.Connection) -> dict[str, int]:
    counts = {"account": 0, "topic": 0, "subscription": 0, "message": 0, "upload": 0}
    target.execute("BEGIN")
    for table, row in reference.rows():
        counts[table] = counts.get(table, 0) + 1
        names, places = ", ".join(row), ", ".join("?" * len(row))
        try:
            target.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", tuple(row.values()))
        except sqlite3.IntegrityError as error:
            raise Failure(f"{table}: {error}: {_key_of(row)}; nothing was imported") from None
    target.execute("COMMIT")
    return counts


def _key_of(row: dict[str, Any]) -> str:
    """Enough of a row to find it, and nothing of what people wrote."""
    shown = ("id", "name", "topic", "seq", "user", "tag", "owner", "method", "value")
    return ", ".join(f"{name} {row[name]}" for name in shown if name in row)


def _keep_key(folder: Path, key: bytes) -> None:
    """Failure if the folder has another key: whoever has logged in with it would be out."""
    try:
        keep_secrets(folder, Secrets(key))
    except FileExistsError as error:
        raise Failure(f"{error.filename}: there is another key already, remove it") from None


def _fetched(upload: Upload, target: sqlite3.Connection, stock: Stock, files: Path | None) -> bool:
    """Copy one file to its place; False if it is not where it should be.

    Its row gets the size and the tag of what was found.
    """
    source = None if files is None else files / Path(upload.location).name
    if source is None or not source.is_file():
        return False
    row = target.execute(KIND, (upload.id,)).fetchone()
    digest, size = hashlib.sha256(), 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        with source.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                size += len(piece)
                yield piece

    try:
        stock.put(upload.id, row[0], pieces())
    except OSError as error:
        raise Failure(f"{source}: {error.strerror}; nothing was imported") from None
    found = (size, etag_of(digest.digest()), upload.id)
    target.execute("UPDATE upload SET size = ?, etag = ? WHERE id = ?", found)
    return True
