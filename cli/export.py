"""`tinode-py export` and `tinode-py import`: a whole server as lines of JSON.

`import` has the subcommand group's name in the command alone: in Python it is a keyword.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import click
from click_default_group import DefaultGroup

from tinode_py.auth.secrets import make_folder
from tinode_py.config import Settings, postgres
from tinode_py.disk import sync
from tinode_py.errors import StoreError
from tinode_py.media.base import MediaError
from tinode_py.media.made import stock_of
from tinode_py.media.stock import Stock
from tinode_py.store.dump import Importer, exported
from tinode_py.store.lines import ImportFault, Place, lines_of
from tinode_py.store.lock import data_lock
from tinode_py.store.looking import browsing
from tinode_py.store.soundness import faults

from .failure import Failure, Unusable
from .import_tinode import tinode
from .look import file_of, looking
from .making import new_database
from .options import json_option, with_settings
from .output import aside, tell
from .uploads import REFERRED, Carried, missing

_EVERY = 50_000  # lines between signs of progress


@click.command("export")
@click.argument("target", metavar="FILE")
@click.option(
    "--without-uploads", is_flag=True, help="Leave the uploads where they are: rows alone."
)
@json_option
@with_settings
def export(settings: Settings, target: str, without_uploads: bool, as_json: bool) -> None:
    """Write all that a server keeps to FILE (`-`: standard output) as JSON, one row a line.

    It is of one moment, also beside a server that runs; uploads come from the data folder or
    the bucket. Equal contents give equal bytes. A name that ends in .gz is compressed. Hashes
    of passwords are in it: keep it to yourself.
    """
    carried = None if without_uploads else Carried(stock_of(settings))
    lines = 0
    with _lines(settings, carried) as found, _output(target) as file:
        try:
            for line in found:
                file.write(line)
                lines += 1
                _progress(lines)
        except OSError as error:
            raise Failure(f"{target}: {error.strerror}, nothing was exported") from None
        except MediaError as error:
            raise Failure(f"{error}, nothing was exported") from None
    for said in carried.said() if carried else ():
        aside(said)
    told = {"done": "exported", "file": target, "lines": lines}
    if target != "-":
        text = f"exported: {lines} lines to {target}"
        tell({**told, **(carried.told if carried else {})}, text, as_json=as_json)


@contextlib.contextmanager
def _lines(settings: Settings, carried: Carried | None) -> Iterator[Iterator[bytes]]:
    url, reading = postgres(settings), carried.reading if carried else None
    if url is not None:
        from .postgres import export_lines

        with contextlib.closing(export_lines(url, reading)) as lines:  # type: ignore[type-var]
            yield lines
        return
    with browsing(file_of(settings)) as browser:
        yield exported(browser.connection, file_of(settings), reading)


@click.group("import", cls=DefaultGroup, default="lines", default_if_no_args=True)
def import_() -> None:
    """Make the database from FILE, which `export` wrote; or from another server's.

    `tinode-py import FILE` is short for `tinode-py import lines FILE`.
    """


@import_.command("lines")  # type: ignore[untyped-decorator]  # the class has no types
@click.argument("source", metavar="FILE")
@json_option
@with_settings
def lines_(settings: Settings, source: str, as_json: bool) -> None:
    """Make the database from FILE (`-`: standard input), which `export` wrote.

    There must be none yet. It is made beside its place and put there when it is complete and
    sound; until then there is none. An import that was broken off goes on where it was. Uploads
    go where the settings keep them: into the data folder, or a bucket.
    """
    url, stock = postgres(settings), stock_of(settings)
    if url is not None:
        _import_into_postgres(settings, url, source, stock, as_json=as_json)
        return
    with new_database(settings, resume=True) as (path, making):
        try:
            lines, skipped = _imported(source, making, stock)
        except ImportFault as fault:
            raise Failure(f"{source}: {fault}") from None
        except sqlite3.Error as error:
            raise StoreError(f"{making}: {error}; the same command goes on from there") from None
    if skipped:
        aside(f"{skipped} lines were in from before")
    told = {"done": "imported", "database": str(path), "lines": lines, "skipped": skipped}
    with looking(settings) as browser:
        rows = browser.values(REFERRED)
        _tell_imported(told, rows, stock, as_json=as_json)


def _tell_imported(
    told: dict[str, Any], rows: Iterable[Sequence[Any]], stock: Stock, *, as_json: bool
) -> None:
    """Say so, and which uploads have no file: they were not in what was imported."""
    try:
        absent = missing(rows, stock)
    except MediaError as error:  # it is imported all the same
        aside(f"uploads could not be looked for: {error}")
    else:
        told["uploads_missing"] = absent.count
        if absent.count:
            aside(f"{absent.count} uploads are not in {stock.where}: {absent}")
    text = f"imported: {told['lines']} lines into {told['database']}"
    tell(told, text, as_json=as_json)


def _import_into_postgres(
    settings: Settings, url: str, source: str, stock: Stock, *, as_json: bool
) -> None:
    """All of it in one transaction; the uploads that were written go again if it fails."""
    from .postgres import import_lines

    make_folder(Path(settings.server.data))
    with data_lock(Path(settings.server.data)), _undone(stock, BaseException) as place:
        try:
            with _input(source) as file:
                shown, lines = import_lines(url, lines_of(file), place)
        except ImportFault as fault:
            raise Failure(f"{source}: {fault}") from None
    told = {"done": "imported", "database": shown, "lines": lines, "skipped": 0}
    with looking(settings) as browser:
        _tell_imported(told, browser.values(REFERRED), stock, as_json=as_json)


@contextlib.contextmanager
def _undone(stock: Stock, when: type[BaseException]) -> Iterator[Place]:
    """Takes uploads; those that were not there before go again if the block fails like that."""
    new: list[str] = []

    def place(name: str, kind: str, pieces: Iterator[bytes]) -> None:
        if stock.put(name, kind, pieces):
            new.append(name)

    try:
        yield place
    except when:
        for name in new:
            with contextlib.suppress(MediaError):
                stock.remove(name)
        raise


def _imported(source: str, making: Path, stock: Stock) -> tuple[int, int]:
    """How many lines there were, and how many of them were in from before."""
    count = 0

    def report(lines: int) -> None:
        nonlocal count
        count = lines
        _progress(lines)

    os.close(os.open(making, os.O_RDWR | os.O_CREAT, 0o600))
    with (
        _input(source) as file,
        contextlib.closing(sqlite3.connect(making, isolation_level=None)) as connection,
    ):
        importer = Importer(connection, making, report)
        skipped = importer.load(lines_of(file))
        importer.finish()
        try:
            _completed(importer, connection, stock)
        except ImportFault:
            making.unlink()
            raise
        except MediaError as error:
            raise Failure(f"{error}; the same command goes on from there") from None
    sync(making)
    return count + 1, skipped  # the end is a line, too


def _completed(importer: Importer, connection: sqlite3.Connection, stock: Stock) -> None:
    """See that it is sound, then put the uploads where they belong.

    They stay there if something stands in the way of others: it goes on with those.
    """
    for wrong in faults(connection):
        raise ImportFault(0, f"{wrong}; nothing was imported")
    with _undone(stock, ImportFault) as place:
        importer.unload(place)


def _progress(lines: int) -> None:
    if lines % _EVERY == 0 and lines and sys.stderr.isatty():
        aside(f"{lines} lines")


@contextlib.contextmanager
def _output(target: str) -> Iterator[BinaryIO]:
    """Standard output, or a file of the owner's that gets its name when it is complete."""
    if target == "-":
        yield sys.stdout.buffer
        return
    path = Path(target)
    part = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise Unusable(f"{part}: {error.strerror}") from None
    try:
        with open(descriptor, "wb") as raw:
            if path.suffix == ".gz":
                # No name and no time within: equal contents, equal bytes.
                with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _input(source: str) -> Iterator[BinaryIO]:
    if source == "-":
        yield sys.stdin.buffer
        return
    try:
        raw = Path(source).open("rb")  # noqa: SIM115  closed below, errors of reading are others
    except OSError as error:
        raise Unusable(f"{source}: {error.strerror}") from None
    with raw:
        try:
            yield cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if source.endswith(".gz") else raw
        except (EOFError, OSError) as error:  # also of a damaged .gz
            raise ImportFault(0, f"cannot be read to its end: {error}") from None


import_.add_command(tinode)
