"""A database of the reference server, as far as it is read: two people, a group, a conversation,
a file. Statements are PostgreSQL's; for MySQL double quotes are turned.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
from click.testing import CliRunner, Result

from cli.reference_ids import UidKey
from tests.cli.conftest import installed
from tinode_py import ids
from tinode_py.access import Level
from tinode_py.auth.token import TokenKeeper
from tinode_py.client import ClientError
from tinode_py.server import Parts
from tinode_py.testing import running_server

KEY = "la6YsO+bNX/+XIkOqc5Svw=="  # of the reference's example
Execute = Callable[..., object]  # a statement, and a row for its `%s`
ALICE, BOBBY, GONE = 1598246124383113216, 1598246124383113217, 1598246124383113218
TABLES = """
CREATE TABLE kvmeta ("key" text, value text);
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


def fill(execute: Execute) -> None:
    """Put everything into the tables."""
    key = UidKey(KEY)
    alice, bobby = key.user(ALICE), key.user(BOBBY)
    p2p, hashed = ids.p2p_name(alice, bobby), bcrypt.hashpw(b"secret1", bcrypt.gensalt(4)).decode()
    at, modes = "2026-01-31 12:00:00.123", '{"Auth":"JRWPAS","Anon":"N"}'

    def put(table: str, *rows: tuple[Any, ...], columns: str = "") -> None:
        for row in rows:
            places = ", ".join(["%s"] * len(row))
            execute(f"INSERT INTO {table} {columns} VALUES ({places})", row)

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


def moved(url: str, data: Path, *more: str, key: str = KEY) -> Result:
    args = ["import", "tinode", url, "--uid-key", key, "--data", str(data), *more]
    return CliRunner().invoke(installed(), args)


async def look_around(data: Path) -> None:
    """Serve what has come over, and see that it is all there."""
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


async def come_back(data: Path, token: bytes, api_key: str) -> str:
    """Who comes in with a token and an API key of the server before; "" if nobody."""
    parts = Parts(inline=True)
    async with running_server(server={"data": str(data), "store": ""}, parts=parts) as running:
        if not running.server.doors.keys.valid(api_key):
            return ""
        try:
            async with running.connect(api_key=api_key) as alice:
                await alice.hi()
                await alice.login_token(base64.b64encode(token).decode())
                return alice.user
        except ClientError:
            return ""


def token_of(key: bytes, number: int) -> bytes:
    """What the reference gave a user: signed by its key, with its first serial number."""
    keeper = TokenKeeper(key, serial=1, expire=3600)
    return keeper.make(UidKey(KEY).user(number), Level.AUTH, 1, int(time.time() * 1000))[0]
