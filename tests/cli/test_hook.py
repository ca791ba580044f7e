"""`tinode-py hook`: webhooks of a stopped server, and a service that is tried out."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cli.conftest import Run

URL = "https://hooks.example/in"


@contextmanager
def service() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address that takes every other request, and what it was posted."""
    asked: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200 if len(asked) % 2 else 503)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_webhook_from_its_making_to_its_end(run: Run) -> None:
    made = json.loads(
        run("hook", "create", URL, "--kind", "message.stored", "--off", "--json").output
    )
    number = str(made["id"])
    assert (made["url"], made["kinds"], made["active"]) == (URL, ["message.stored"], False)
    listed = run("hook", "list", "--json").output
    (row,) = map(json.loads, listed.splitlines())
    assert row["id"] == made["id"]
    assert made["secret"] not in listed
    rotated = json.loads(run("hook", "rotate", number, "--grace", "60", "--json").output)
    assert rotated["secret"] not in ("", made["secret"])
    assert rotated["former_until"]
    assert run("hook", "dead", number, "--json").output == ""
    assert "no server runs" in run("hook", "replay", number).output
    assert run("hook", "delete", number).output == f"deleted: {number}\n"
    assert run("hook", "list", "--json").output == ""
    deeds = run("audit", "list", "--json").output
    assert [json.loads(line)["action"] for line in deeds.splitlines()] == [
        "webhook.delete",
        "webhook.rotate",
        "webhook.create",
    ]
    assert rotated["secret"] not in deeds


def test_a_service_is_tried_out(run: Run) -> None:
    local = ("--set", "webhooks.networks=127.0.0.0/8")
    with service() as (url, asked):
        number = run("hook", "create", url, "--off", *local).output.split()[0]
        assert run("hook", "test", number, *local).output == "taken\n"
        assert asked == [{"hook": int(number), "test": True, "events": []}]
        failed = run("hook", "test", number, *local)
        assert (failed.exit_code, failed.output) == (1, "Error: answered 503\n")


def test_what_is_wrong_is_named(run: Run) -> None:
    for args, code, word in (
        (("create", "ftp://a/"), 1, "url"),
        (("test", "7"), 1, "there is no webhook 7"),
        (("rotate", "x"), 2, "x"),
        (("rotate", "1", "--grace", "-1"), 2, "--grace"),
    ):
        done = run("hook", *args)
        assert (done.exit_code, word in done.output) == (code, True), (args, done.output)
