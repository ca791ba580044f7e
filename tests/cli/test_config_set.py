"""Settings at run time, from the command line."""

from __future__ import annotations

import json
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.test_running import objects
from tests.process import connected, serving


def test_on_a_stopped_server(run: Run, tmp_path: Path) -> None:
    done = run("config", "set", "limits.tags=3", "clients.publish=false")
    assert done.exit_code == 0, done.output
    values = "limits.tags = 3, clients.publish = false"
    assert done.output == f"set: {values} in {tmp_path}/data/tinode.db\n"
    shown = run("config", "show", "--json", "--set", "limits.tags=9").output
    found = {
        row["key"]: (row["value"], row["source"]) for row in map(json.loads, shown.splitlines())
    }
    assert found["limits.tags"] == (3, "store")
    assert found["clients.publish"] == (False, "store")
    told = json.loads(run("config", "explain", "limits.tags", "--json").output)
    assert (told["value"], told["source"], told["at run time"]) == (3, "store", "yes")
    told = json.loads(run("config", "explain", "server.listen", "--json").output)
    assert told["at run time"] == "needs a restart"
    gone = run("config", "unset", "limits.tags")
    assert gone.output == f"unset: limits.tags in {tmp_path}/data/tinode.db\n"
    listed = run("audit", "list", "--json").output.splitlines()
    told = [(row["action"], row["target"], row["detail"]) for row in map(json.loads, listed)]
    assert told == [
        ("setting.unset", "limits.tags", None),
        ("setting.set", "clients.publish", None),
        ("setting.set", "limits.tags", None),
    ]
    again = run("config", "unset", "limits.tags")
    assert (again.exit_code, again.output) == (2, "Error: limits.tags: not set at run time\n")


def test_secrets_come_by_standard_input_and_show_nowhere(run: Run) -> None:
    done = run("config", "set", "auth.invite.codes=-", "--json", stdin="canary\n")
    assert json.loads(done.output)["set"] == {"auth.invite.codes": "(secret)"}
    shown = run("config", "show", "auth.invite")
    assert "(secret)" in shown.output
    assert "canary" not in done.output + shown.output


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("limits.tagz=1", "limits.tagz: unknown key, did you mean limits.tags?"),
        ("limits.depth=9999", "limits.depth: wants a number from 8 to 300"),
        ("server.listen=x", "server.listen: needs a restart"),
        ("limits.tags", "limits.tags: wants key=value"),
    ],
)
def test_what_is_wrong_is_named(run: Run, item: str, said: str) -> None:
    done = run("config", "set", item)
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_what_no_longer_fits_is_named_and_can_be_taken_back(run: Run, tmp_path: Path) -> None:
    assert run("config", "set", "limits.outbox=131072").exit_code == 0
    large = ("--set", "limits.message_size=200000")
    refused = run("user", "create", "alice", "--password-stdin", *large)
    assert refused.exit_code == 2
    assert "`tinode-py config unset limits.outbox` takes it back" in refused.output
    with sqlite3.connect(tmp_path / "data" / "tinode.db") as database:  # of a newer version
        database.execute("INSERT INTO setting VALUES ('limits.newer', '1')")
    database.close()
    assert run("config", "unset", "limits.newer", "limits.outbox", *large).exit_code == 0
    assert run("user", "create", "alice", "--password-stdin", *large).exit_code == 0


@pytest.mark.slow
async def test_beside_a_server_and_over_its_restart(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "server.toml"
    file.write_text("[limits]\ntags = 7\nmax_tag_length = 30\n")
    async with serving(data, "--config", str(file)) as server:
        (told,) = await objects(data, "config", "set", "limits.tags=5", "log.level=debug")
        assert (told["via"], told["set"]) == ("server", {"limits.tags": 5, "log.level": "debug"})
        async with connected(server.url) as client:
            assert client.greeting["params"]["maxTagCount"] == 5
        file.write_text("[limits]\ntags = 8\nmax_tag_length = 31\n[smtp]\nport = 26\n")
        server.process.send_signal(signal.SIGHUP)
        assert "need a restart: smtp.port" in await server.wait_said("need a restart")
        async with connected(server.url) as client:
            params = client.greeting["params"]
            assert (params["maxTagCount"], params["maxTagLength"]) == (5, 31)
        file.write_text("[limits]\ntags = 8\nmax_tag_length = many\n")
        server.process.send_signal(signal.SIGHUP)
        await server.wait_said("the settings cannot be used, the old ones stay")
        file.write_text("")
        await server.terminate()
    async with serving(data) as server, connected(server.url) as client:
        assert client.greeting["params"]["maxTagCount"] == 5
