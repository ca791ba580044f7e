from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.cli.test_user import stored
from tinode_py.auth.keys import SCOPES, fits, id_of
from tinode_py.queries_backend import KeyById
from tinode_py.records import ApiKey
from tinode_py.settings.serving import DEFAULT_API_SALT
from tinode_py.web.apikey import ApiKeys


def test_a_key_is_made_listed_and_revoked(run: Run, tmp_path: Path) -> None:
    made = run("key", "create", "back end", "--scope", "messages:send", "--rate", "5")
    assert made.exit_code == 0, made.output
    key = made.output.strip()
    row = stored(tmp_path, KeyById(id_of(key)))
    assert isinstance(row, ApiKey)
    assert fits(key, row, 0)
    assert (row.name, row.scopes, row.rate) == ("back end", ("messages:send",), 5)
    listed = run("key", "list").output.splitlines()[1].split()
    assert listed[:3] == [row.id, "back", "end"]
    assert listed[4:6] == ["-", "messages:send"]
    assert run("key", "revoke", row.id).output == f"revoked: {row.id}\n"
    assert run("key", "list").output.splitlines()[1].split()[4].startswith("20")
    row = stored(tmp_path, KeyById(row.id))
    assert row is not None
    assert row.revoked
    assert not fits(key, row, 0)


def test_as_json(run: Run) -> None:
    group = "grpAAAAAAAAAAE"
    made = run("key", "create", "n", "--scope", "all", "--topic", group, "--tag", "a", "--json")
    told = json.loads(made.output)
    assert told["scopes"] == list(SCOPES)
    assert (told["topics"], told["tags"]) == ([group], ["a"])
    assert told["key"].startswith("tnk_" + told["id"])
    listed = json.loads(run("key", "list", "--json").output)
    assert listed["id"] == told["id"]
    assert "digest" not in listed
    assert "key" not in listed


def test_what_is_wrong_is_named(run: Run) -> None:
    for args, code, word in (
        (("create", "n"), 2, "--scope"),
        (("create", "n", "--scope", "x"), 2, "x"),
        (("create", "n", "--scope", "all", "--topic", "grp1"), 1, "`topics[0]`"),
        (("create", "n", "--scope", "all", "--rate", "-1"), 2, "--rate"),
        (("create", "", "--scope", "all"), 1, "`name`"),
        (("revoke", "AAAAAAAAAAE"), 1, "there is no key"),
        (("revoke", "../keys"), 1, "there is no key"),
    ):
        done = run("key", *args)
        assert done.exit_code == code, (args, done.output)
        assert word in done.output


def test_rotation(run: Run, tmp_path: Path) -> None:
    made = json.loads(run("key", "create", "n", "--scope", "all", "--json").output)
    again = json.loads(run("key", "rotate", made["id"], "--grace", "1", "--json").output)
    row = stored(tmp_path, KeyById(made["id"]))
    assert isinstance(row, ApiKey)
    assert fits(again["key"], row, row.former_until)
    assert fits(made["key"], row, row.former_until - 1)
    assert not fits(made["key"], row, row.former_until)
    assert run("key", "rotate", made["id"]).output.startswith(f"tnk_{made['id']}.")
    for args, word in (((), "--clients"), ((made["id"], "--clients"), "--clients")):
        done = run("key", "rotate", *args)
        assert (done.exit_code, word in done.output) == (2, True)
    assert "there is no key" in run("key", "rotate", "AAAAAAAAAAE").output
    run("key", "revoke", made["id"])
    assert "was revoked" in run("key", "rotate", made["id"]).output


def test_clients_get_another_key(run: Run) -> None:
    told = json.loads(run("key", "rotate", "--clients", "--json").output)
    rows = [json.loads(line) for line in run("config", "show", "web", "--json").output.splitlines()]
    found = {row["key"]: (row["value"], row["source"]) for row in rows}
    salt, source = found["web.api_salt"]
    assert source == "store"
    former = found["web.former_api_salt"][0], found["web.former_api_until"][0]
    assert former == (DEFAULT_API_SALT, told["until"])
    keys = ApiKeys(salt, (), former, lambda: told["until"] - 1)
    assert keys.valid(told["apikey"])
    assert keys.valid(ApiKeys(DEFAULT_API_SALT).make())
