"""`tinode-py doctor`: what stands in a server's way, or will."""

from __future__ import annotations

import os
import platform
import resource
import shutil
import socket
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import click

from tinode_py.auth.secrets import FILE as SECRETS
from tinode_py.config import ConfigError, Settings, database, is_lasting, postgres, remote
from tinode_py.errors import StoreError
from tinode_py.media.base import MediaError
from tinode_py.media.made import stock_of
from tinode_py.settings.serving import DEFAULT_API_SALT
from tinode_py.store.lock import LockedError, data_lock
from tinode_py.store.migrate import SchemaError

from .failure import Failure
from .look import looking, place_of
from .options import json_option, with_settings
from .output import show

CLUSTER_SECRET = "cluster.secret"
_FILES = 4096  # open files, below which a server is small
_ROOM = 1 << 30  # bytes
_LOOPBACK = ("127.", "localhost:", "[::1]", "unix:")


@attrs.frozen
class Finding:
    """`good`, `note` (as it is, know it) or `bad` (mend it)."""

    what: str
    result: str
    says: str


@click.command()
@json_option
@with_settings
def doctor(settings: Settings, as_json: bool) -> None:
    """Look at the machine, the data folder and the settings. Exit code 1 if something is bad."""
    found = [finding for look in _LOOKS for finding in look(settings)]
    rows = [{"what": f.what, "result": f.result, "says": f.says} for f in found]
    show(rows, ("what", "result", "says"), as_json=as_json)
    bad = sum(finding.result == "bad" for finding in found)
    if bad:
        raise Failure(f"{bad} of {len(found)} are bad")


def _machine(settings: Settings) -> Iterator[Finding]:
    yield Finding("python", "good", platform.python_version())
    old = sqlite3.sqlite_version_info < (3, 38, 0)
    says = f"{sqlite3.sqlite_version}; 3.38 is needed" if old else sqlite3.sqlite_version
    yield Finding("sqlite", "bad" if old else "good", says)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 0 <= most < _FILES
    says = f"{most} at most" + (": raise it (LimitNOFILE=, ulimit -Hn)" if few else "")
    yield Finding("open files", "note" if few else "good", says)


def _folder(settings: Settings) -> Iterator[Finding]:
    if not is_lasting(settings):
        yield Finding("data", "note", "memory: keeps nothing")
        return
    folder = Path(settings.server.data).absolute()
    if not folder.is_dir():
        yield Finding("data", "note", f"{folder} is not there yet: the first start makes it")
        return
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data", "bad", f"{folder} cannot be written by this user")
        return
    for path in (folder, folder / SECRETS, folder / CLUSTER_SECRET):
        if path.exists() and path.stat().st_mode & 0o077:
            result = "note" if path is folder else "bad"
            yield Finding("access", result, f"{path} is not for its owner alone: chmod go-rwx")
    free = shutil.disk_usage(folder).free
    result, more = ("good", "") if free >= _ROOM else ("bad", ": make room")
    yield Finding("disk", result, f"{free // (1 << 20)} MB are free in {folder}{more}")


def _stored(settings: Settings) -> Iterator[Finding]:
    if (address := remote(settings)) is not None:
        yield Finding("database", "note", f"the node at {address} has it: look there")
        return
    in_postgres = postgres(settings) is not None
    path = None if in_postgres else database(settings)
    if not in_postgres and (path is None or not path.exists()):
        return
    try:
        with looking(settings) as browser:
            found = browser.row(_LATEST)
            says = f"{path}, {path.stat().st_size // 1024} KB" if path else _in_postgres(settings)
    except (ImportError, ConfigError, SchemaError, StoreError) as error:
        yield Finding("database", "bad", str(error))
        return
    assert found is not None
    yield Finding("database", "good", says)
    if found["latest"] > time.time_ns() // 1_000_000 + 60_000:
        yield Finding("clock", "bad", "the latest message is from the future: set the clock")
    if not found["roots"]:
        yield Finding("root", "note", "nobody may act as root: tinode-py user root LOGIN")


_LATEST = """
SELECT (SELECT coalesce(max(touched), 0) FROM topic_tail) AS latest,
    (SELECT count(*) FROM login WHERE level = 30) AS roots"""


def _in_postgres(settings: Settings) -> str:
    from .postgres import size_and_version

    size, version = size_and_version(settings.server.store)
    return f"{place_of(settings)}, {size // 1024} KB, PostgreSQL {version}"


def _uploads(settings: Settings) -> Iterator[Finding]:
    if not settings.media.s3.endpoint or not is_lasting(settings):
        return
    try:
        where = stock_of(settings).where
    except (ConfigError, MediaError) as error:
        yield Finding("uploads", "bad", str(error))
        return
    yield Finding("uploads", "good", f"{where} answers")
    files = Path(settings.server.data).absolute() / "uploads"
    if files.is_dir() and any(path.is_file() for path in files.glob("*/*")):
        says = f"{files} has files, which nobody gets while uploads are in {where}"
        yield Finding("uploads", "note", f"{says}: move them by export and import")


def _server(settings: Settings) -> Iterator[Finding]:
    folder = Path(settings.server.data)
    held: LockedError | None = None
    if is_lasting(settings) and folder.is_dir():
        try:
            with data_lock(folder):
                pass
        except LockedError as error:
            held = error
        except OSError as error:
            yield Finding("lock", "bad", f"{folder}: {error.strerror}")
            return
    if held is not None:
        yield Finding("server", "good", f"process {held.process} has the data folder")
        return
    yield Finding("server", "note", "none runs on this data folder")
    for address in settings.server.listen:
        yield _free(address)


def _free(address: str) -> Finding:
    if address.startswith("unix:"):
        folder = Path(address.removeprefix("unix:")).absolute().parent
        well = os.access(folder, os.W_OK)
        return Finding("listen", "good" if well else "bad", f"{address}: {folder} "
                       + ("can be written" if well else "cannot be written"))  # fmt: skip
    host, _, port = address.rpartition(":")
    try:
        if not 0 <= int(port) <= 65_535:
            raise ValueError("there is no such port")
        found = socket.getaddrinfo(host.strip("[]") or None, int(port), type=socket.SOCK_STREAM,
                                   flags=socket.AI_PASSIVE)  # fmt: skip
        for family, kind, _, _, where in found[:1]:
            with socket.socket(family, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
    except (OSError, ValueError, OverflowError) as error:
        return Finding("listen", "bad", f"{address}: {error}")
    return Finding("listen", "good", f"{address} is free")


def _doors(settings: Settings) -> Iterator[Finding]:
    web, tls = settings.web, settings.web.tls
    if tls.cert:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key)
        except OSError as error:  # also ssl.SSLError
            yield Finding("tls", "bad", f"web.tls: {error}")
        else:
            yield Finding("tls", "good", f"{tls.cert} and its key fit")
    outside = [it for it in settings.server.listen if not it.startswith(_LOOPBACK)]
    if outside and not tls.cert:
        yield Finding("tls", "note", f"{', '.join(outside)} is open to others without TLS")
    if outside and web.forwarded_for:
        yield Finding("proxy", "bad", "web.forwarded_for trusts anybody who connects directly")
    if not web.origins:
        yield Finding("origins", "note", "web.origins is empty: any page may open a websocket")
    if web.api_salt == DEFAULT_API_SALT:
        yield Finding("api key", "note", "the public one of the official clients is valid")


def _people(settings: Settings) -> Iterator[Finding]:
    auth, validators = settings.auth, settings.validators
    if auth.registration == "open":
        yield Finding("registration", "note", "open: anybody may make an account")
    for name in ("email", "tel"):
        validator = getattr(validators, name)
        if validator.debug_code:
            yield Finding("codes", "bad", f"validators.{name}.debug_code is a code for everybody")
        way = settings.smtp.host if name == "email" else validators.tel.webhook
        if validator.required and not way:
            yield Finding("codes", "bad", f"validators.{name} is required, and nothing sends codes")


_LOOKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _machine,
    _folder,
    _stored,
    _uploads,
    _server,
    _doors,
    _people,
)
