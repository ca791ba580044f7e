"""Moving from the reference server: its tables, as far as they are read, with rows of ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trio
from click.testing import CliRunner, Result

from cli.reference_ids import UidKey
from tests.cli.conftest import installed
from tests.postgres import Cluster
from tinode_py import ids
from tinode_py.server import Parts
from tinode_py.testing import running_server

KEY = "la6YsO+bNX/+XIkOqc5Svw=="  # of the reference's example
ALICE, BOBBY, GONE = 1598246124383113216, 1598246124383113217, 1598246124383113218
T = "timestamp(3)"
TABLES = f"""
CREATE TABLE kvmeta (key text, value text);
CREATE TABLE users (id bigint, createdat {T}, updatedat {T}, state smallint, access json,
    lastseen {T}, useragent text, public json, trusted json, tags json);
CREATE TABLE auth (uname text, userid bigint, scheme text, authlvl int, secret text, expires {T});
CREATE TABLE credentials (id serial, createdat {T}, deletedat {T}, method text, value text,
    userid bigint, done boolean);
CREATE TABLE devices (id serial, userid bigint, deviceid text, platform text, lastseen {T},
    lang text);
CREATE TABLE topics (id serial, createdat {T}, updatedat {T}, touchedat {T}, state smallint,
    name text, usebt boolean, owner bigint, access json, seqid int, delid int, public json,
    trusted json, tags json, aux json);
CREATE TABLE subscriptions (id serial, createdat {T}, updatedat {T}, deletedat {T}, userid bigint,
    topic text, delid int, recvseqid int, readseqid int, modewant text, modegiven text,
    private json);
CREATE TABLE messages (id serial, createdat {T}, deletedat {T}, seqid int, topic text,
    "from" bigint, head json, content json);
CREATE TABLE dellog (id serial, topic text, deletedfor bigint, delid int, low int, hi int);
CREATE TABLE fileuploads (id bigint, createdat {T}, userid bigint, status int, mimetype text,
    size bigint, etag text, location text);
CREATE TABLE filemsglinks (id serial, fileid bigint, msgid int, topic text, userid bigint);
INSERT INTO kvmeta VALUES ('version', '116');
"""


@pytest.fixture(scope="module")
def postgres(cluster: Cluster) -> str:
    """The URL of an empty database."""
    return cluster.database(empty=True)


@pytest.fixture
def filled(postgres: str) -> str:
    """Its database, with two people, a group, a conversation, a file."""
    import psycopg

    key = UidKey(KEY)
    alice, bobby = key.user(ALICE), key.user(BOBBY)
    p2p, hashed = ids.p2p_name(alice, bobby), bcrypt.hashpw(b"secret1", bcrypt.gensalt(4)).decode()
    at, modes = "2026-01-31 12:00:00.123", '{"Auth":"JRWPAS","Anon":"N"}'
    with psycopg.connect(postgres, autocommit=True) as db:
        db.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        db.execute(TABLES)

        def put(table: str, *rows: tuple[Any, ...], columns: str = "") -> None:
            for row in rows:
                places = ", ".join(["%s"] * len(row))
                db.execute(f"INSERT INTO {table} {columns} VALUES ({places})", row)

        user = (at, at, 0, modes, at, "phone")
        put(
            "users",
            (ALICE, *user, '{"fn": "Al\\u00efce"}', None, '["alias:al","basic:alice"]'),
            (BOBBY, *user[:2], 10, *user[3:], None, None, "null"),
            (GONE, *user[:2], 20, *user[3:], '{"fn":"Gone"}', None, '["x"]'),
        )
        put("auth", ("basic:alice", ALICE, "basic", 30, hashed, None))
        put("auth", ("basic:gone", GONE, "basic", 20, hashed, None))
        put("credentials", (at, None, "email", "a@example.org", ALICE, True),
            columns="(createdat, deletedat, method, value, userid, done)")  # fmt: skip
        put("devices", (ALICE, "dev1", "ios", at, "en"),
            columns="(userid, deviceid, platform, lastseen, lang)")  # fmt: skip
        columns = ("(createdat, updatedat, touchedat, state, name, usebt, owner, access, seqid, "
                   "delid, public, trusted, tags, aux)")  # fmt: skip
        put(
            "topics",
            (at, at, at, 0, "grpAAAAAAAAAAE", True, ALICE, modes, 4, 2, '{"fn":"G"}', None,
             '["chess"]', None),
            (at, at, at, 0, p2p, False, 0, modes, 1, 0, None, None, "null", "null"),
            (at, at, at, 20, "grpAAAAAAAAAAI", False, ALICE, modes, 1, 0, None, None, None, None),
            columns=columns,
        )  # fmt: skip
        columns = ("(createdat, updatedat, deletedat, userid, topic, delid, recvseqid, readseqid, "
                   "modewant, modegiven, private)")  # fmt: skip
        for number, topic, want in (
            (ALICE, alice, "JPSD"), (ALICE, "fnd" + alice[3:], "JP"),
            (ALICE, "grpAAAAAAAAAAE", "JRWPASDO"), (BOBBY, "chnAAAAAAAAAAE", "JRP"),
            (ALICE, p2p, "JRWPA"), (BOBBY, p2p, "N"), (GONE, p2p, "JRWPA"),
            (ALICE, "grpAAAAAAAAAAI", "JRWPASDO"),
        ):  # fmt: skip
            row = (at, at, None, number, topic, 2, 3, 2, want, want, '{"mine": 1}')
            put("subscriptions", row, columns=columns)
        columns = '(createdat, deletedat, seqid, topic, "from", head, content)'
        group: list[tuple[Any, ...]] = [
            (at, None, n, "grpAAAAAAAAAAE", ALICE, "null", f'"m{n}"') for n in (1, 2, 4)
        ]
        group.append((at, at, 3, "grpAAAAAAAAAAE", ALICE, None, None))
        put("messages", *group, (at, None, 1, p2p, BOBBY, '{"mime":"x"}', '{"txt": "hi"}'),
            (at, None, 1, "grpAAAAAAAAAAI", ALICE, None, '"of a deleted group"'),
            columns=columns)  # fmt: skip
        put("dellog", ("grpAAAAAAAAAAE", 0, 1, 3, 4), ("grpAAAAAAAAAAE", ALICE, 2, 2, 0),
            columns="(topic, deletedfor, delid, low, hi)")  # fmt: skip
        put("fileuploads", (77, at, ALICE, 1, "text/plain", 5, None, "/elsewhere/up/abc"),
            (78, at, ALICE, 0, "text/plain", 5, None, "/elsewhere/up/unfinished"))  # fmt: skip
        put("filemsglinks", (77, 1, None, None), (77, None, None, ALICE),
            columns="(fileid, msgid, topic, userid)")  # fmt: skip
    return postgres


def moved(url: str, data: Path, *more: str, key: str = KEY) -> Result:
    args = ["import", "tinode", url, "--uid-key", key, "--data", str(data), *more]
    return CliRunner().invoke(installed(), args)


def test_numbers_are_those_that_clients_know() -> None:
    assert UidKey(KEY).user(ALICE) == "usrRyxSLAtSvlg"  # seen in a database of the reference
    assert UidKey(KEY).user(0) == UidKey(KEY).user(None) == ""
    for wrong in ("", "x", "AAAA"):
        with pytest.raises(ValueError, match=r"bytes|base64"):
            UidKey(wrong)


@pytest.mark.slow
def test_everything_comes_over_and_serves(filled: str, tmp_path: Path) -> None:
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "abc").write_bytes(b"hello")
    data = tmp_path / "data"
    result = moved(filled, data, "--files", str(tmp_path / "up"), "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)
    assert told["missing_files"] == []
    rows = {
        "account": 3,
        "login": 1,
        "credential": 1,
        "device": 1,
        "topic": 2,
        "subscription": 4,
        "message": 4,
        "upload": 1,
    }
    assert told["rows"].items() >= rows.items()

    async def live() -> None:
        server = {"data": str(data), "store": ""}
        basic = {"basic": {"hash_memory": 8, "hash_passes": 1}}
        parts = Parts(inline=True)
        async with (
            running_server(server=server, auth=basic, parts=parts) as running,
            running.connect() as alice,
        ):
            await alice.hi()
            login = await alice.login("alice", "secret1")
            assert (alice.user, login.params["authlvl"]) == ("usrRyxSLAtSvlg", "root")
            me = await alice.sub("me", get={"what": "desc sub tags"})
            assert me.meta["desc"]["public"] == {"fn": "Alïce"}
            assert me.meta["desc"]["private"] == {"mine": 1}
            assert me.meta["tags"] == ["alias:al", "basic:alice"]
            bobby = UidKey(KEY).user(BOBBY)
            contacts = {row["topic"]: row for row in me.meta["sub"]}
            assert contacts.keys() == {"grpAAAAAAAAAAE", bobby}
            group = await alice.sub("grpAAAAAAAAAAE", get={"what": "desc data del"})
            assert [(m["seq"], m["content"]) for m in group.data] == [(4, "m4"), (1, "m1")]
            gone = group.meta["del"]
            assert gone["clear"] == 2
            numbers = [range(r["low"], r.get("hi", r["low"] + 1)) for r in gone["delseq"]]
            assert {number for piece in numbers for number in piece} == {2, 3}
            assert group.meta["desc"]["subcnt"] == 2
            talk = await alice.sub(bobby, get={"what": "data"})
            assert talk.data[0]["content"] == {"txt": "hi"}
            assert await alice.pub("grpAAAAAAAAAAE", "on") == 5
            async with running.connect() as again:  # by the hash that was renewed
                await again.hi()
                await again.login("alice", "secret1")

    trio.run(live)
    (file,) = [path for path in (data / "uploads").rglob("*") if path.is_file()]
    assert file.read_bytes() == b"hello"
    check = CliRunner().invoke(installed(), ["db", "check", "--data", str(data)])
    assert check.exit_code == 0, check.output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE kvmeta SET value = '99'", "version 99, 116 is wanted"),
        ("DROP TABLE kvmeta", "this is no database of Tinode"),
        ("INSERT INTO messages SELECT * FROM messages WHERE seqid = 4", "grpAAAAAAAAAAE, seq 4"),
        ("UPDATE users SET tags = '[\"alias:al\"]'", "tag: UNIQUE"),
        ("DELETE FROM users WHERE state = 0; UPDATE auth SET userid = 5", ""),
    ],
)
def test_what_cannot_come_over_is_named_and_nothing_is_left(
    filled: str, tmp_path: Path, damage: str, said: str
) -> None:
    import psycopg

    with psycopg.connect(filled, autocommit=True) as db:
        db.execute(damage)
    result = moved(filled, tmp_path / "data")
    assert result.exit_code == 1, result.output
    assert said in result.output
    assert "Traceback" not in result.output
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["lock"]


@pytest.mark.slow
def test_wrong_use(filled: str, tmp_path: Path) -> None:
    other = moved(filled, tmp_path / "data", key="AAAAAAAAAAAAAAAAAAAAAA==")
    assert (other.exit_code, "not the one of this database" in other.output) == (1, True)
    short = moved(filled, tmp_path / "data", key="AAAA")
    assert (short.exit_code, "3 bytes, not 16" in short.output) == (2, True)
    nobody = moved("postgresql://postgres@127.0.0.1:1/x", tmp_path / "data")
    assert (nobody.exit_code, nobody.output.count("\n")) == (1, 1)
    assert moved(filled, tmp_path / "data").exit_code == 0
    again = moved(filled, tmp_path / "data")
    assert (again.exit_code, "is there already" in again.output) == (2, True)
    missing = moved(filled, tmp_path / "other")
    assert "1 files were not found: /elsewhere/up/abc" in missing.output
