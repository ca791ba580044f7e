"""S3-compatible services: moto's, as a process of its own; and a bucket that fails as told."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tinode_py.media.folder import file_name


@contextlib.contextmanager
def s3_service(*buckets: str) -> Iterator[str]:
    """The address of a service that has these buckets, which are empty."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(line, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            for bucket in buckets:
                _made(f"{address}/{bucket}")
            yield address
        finally:
            process.kill()


def _made(bucket: str) -> None:
    """Ask until somebody answers, for a minute at most."""
    end = time.monotonic() + 60
    while True:
        try:
            assert httpx.put(bucket).status_code == 200
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def at(bucket: str) -> tuple[str, ...]:
    """The settings that name a bucket."""
    endpoint, _, name = bucket.rpartition("/")
    found = {"endpoint": endpoint, "bucket": name, "access_key": "a", "secret_key": "b"}
    return tuple(part for key, it in found.items() for part in ("--set", f"media.s3.{key}={it}"))


class Bucket(BaseHTTPRequestHandler):
    """A bucket in memory that refuses to take one file, and breaks off in the middle of it.

    Much quicker to start than a service, and it fails as told.
    """

    protocol_version = "HTTP/1.1"  # says that it goes on, so that nobody waits for it
    files: dict[str, bytes]
    refused: str

    def answer(self, status: int, body: bytes = b"", length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if length is None else body[: length // 2])
        self.close_connection = length is not None

    def do_HEAD(self) -> None:
        name = self.path.partition("/b/")[2]
        found = self.files.get(name)
        self.answer(200 if found is not None or not name else 404, found or b"")

    def do_GET(self) -> None:
        name = self.path.partition("/b/")[2]
        self.answer(200, self.files[name], 100 if name == self.refused else None)

    def do_PUT(self) -> None:
        name = self.path.partition("/b/")[2]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if name == self.refused:
            self.answer(403)
            return
        self.files[name] = body
        self.answer(200)

    def do_DELETE(self) -> None:
        self.files.pop(self.path.partition("/b/")[2], None)
        self.answer(204)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def memory_bucket(refused: str = "", **files: bytes) -> Iterator[tuple[str, dict[str, bytes]]]:
    """The address of such a bucket, and what is in it, by the names of its objects."""
    held = {file_name(name): content for name, content in files.items()}
    handler = type("_", (Bucket,), {"files": held, "refused": refused and file_name(refused)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/b", held
        finally:
            server.shutdown()
            thread.join()
