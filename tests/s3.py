"""An S3-compatible service: moto's, as a process of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx


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
