"""A back end as small as can be: keeps each event as a line of a file. To be killed at any time.

python back_end.py reader URL KEY FILE    reads the stream, from the last line on
python back_end.py target PORT FILE       is a webhook's service
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def appending(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def reader(url: str, key: str, path: str) -> None:
    lines = Path(path).read_bytes().splitlines() if Path(path).exists() else []
    headers = {"Authorization": f"Bearer {key}"}
    if lines:
        headers["Last-Event-ID"] = str(json.loads(lines[-1])["id"])
    else:
        url += "?after=0"
    file = appending(path)
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                os.write(file, line.removeprefix(b"data: "))  # one call: all of it or nothing


def target(port: str, path: str) -> None:
    file = appending(path)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            events = json.loads(body)["events"]
            os.write(file, b"".join(json.dumps(event).encode() + b"\n" for event in events))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "reader":
        reader(*sys.argv[2:])
    else:
        target(*sys.argv[2:])
