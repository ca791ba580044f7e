"""No statement looks through a table: each is driven by an index."""

from __future__ import annotations

import re

import pytest

from tests.store.made import (
    ALL,
    ANN,
    BOB,
    CHANNEL,
    GROUP,
    PAIR,
    append,
    people,
    published,
    put,
    sub,
    topic,
    user,
)
from tinode_py import changes as c
from tinode_py import changes_backend as cb
from tinode_py import queries as q
from tinode_py import queries_backend as qb
from tinode_py.access import Level
from tinode_py.audit import Actor, AuditEntry
from tinode_py.records import (
    ApiKey,
    Credential,
    DeadLetter,
    Device,
    Login,
    LoginSession,
    Range,
    Scheduled,
    Upload,
    Webhook,
)
from tinode_py.store import apply, read
from tinode_py.store.sqlite import open_sqlite

QUERIES = [
    q.UserById(ANN),
    q.UsersById((ANN, BOB)),
    q.LoginByName("basic", "ann"),
    q.LoginsOf(ANN),
    q.TopicByName(GROUP),
    q.MembersOf(GROUP),
    q.SubscriptionOf(GROUP, ANN),
    q.ContactsOf(ANN),
    q.ContactsOf(ANN, 5, PAIR),
    q.MessagesIn(GROUP, ANN, ALL, 24),
    q.MessagesIn(GROUP, ANN, (Range(1, 3), Range(5, 9)), 24),
    q.MessageAt(GROUP, 1),
    q.SeqSince(GROUP, 102),
    q.DeletionsIn(GROUP, ANN, 0, 0, 1),
    q.FindByTags((("a", "b"), ("c",)), ("d",), ANN, False, 10),
    q.FindByTags((), ("d",), ANN, False, 10),
    q.FindQueryOf(ANN),
    q.OwnerOfTag("alias:a"),
    q.GroupsOwnedBy(ANN),
    q.SilencedBy(GROUP),
    q.SilencedBy(PAIR),
    q.InboxOf(ANN, 1, 100),
    q.InboxUsers("", 100),
    q.AccountsAfter("", 100),
    qb.EventsAfter(0, 100),
    qb.EventsAfter(3, 1, messages=False),
    qb.OnlineAfter("", 100),
    q.CallsAfter("", 100),
    qb.WebhooksAfter(0, 10),
    qb.DeadLettersOf(1, 0, 10),
    qb.DeadCount(1),
    q.AnswerTo(GROUP, ANN, "k"),
    q.SessionsOf(ANN),
    q.SessionAt(ANN, 1),
    q.CredentialsOf(ANN),
    q.ConfirmedBy("email", "a@b"),
    q.DeviceById("d"),
    q.DevicesOf((ANN, BOB)),
    q.UnreadOf((ANN, BOB)),
    q.ChannelsOf(BOB),
    q.UploadById("f"),
    q.LooseUploads(5, 100),
    q.UploadedBy(ANN, 1),
    qb.UsersAfter("", 100),
    qb.TopicsAfter("", 100),
    q.EditsOf(GROUP, (1, 2), 100),
    qb.DueScheduled(100),
    qb.ScheduledAfter("a", "", 100),
    qb.KeyById("a"),
    qb.KeysAfter("", 100),
    qb.AuditBefore(9, 100),
    q.OldestIn(GROUP, 100),
    q.RetentionOf(GROUP),
    qb.RetentionsAfter("", 100),
    qb.StoredSettings(),
    qb.SecretNamed("a"),
]
CHANGES: list[c.Change] = [
    c.PutUser(user(ANN, tags=("a",))),
    c.SetSeen(ANN, 5, "ua"),
    c.PutLogin(Login("basic", "ann", ANN, "s", Level.AUTH)),
    c.PutTopic(topic(GROUP, tags=("d",), seq=5)),
    c.ClaimTags(ANN, ("a", "e")),
    c.PutSubscription(sub(CHANNEL, BOB)),
    append(6),
    c.SetMarks(GROUP, ANN, 1, 1),
    c.DeleteMessages(GROUP, 1, "", (Range(1, 2),), 5),
    c.DeleteMessages(GROUP, 2, ANN, (Range(1, 4),), 5),
    c.DeleteMessages(GROUP, 3, ANN, (Range(2, 5), Range(7, 8)), 5),
    c.PutNotice(ANN, GROUP, "invite", 5, b"{}"),
    c.PurgeInbox(ANN, 5),
    cb.PutOnline(ANN, 5, b"{}"),
    cb.PutOffline(ANN, 6, b"{}"),
    cb.PurgeEvents(5, 6),
    cb.PutWebhook(Webhook(1, 5, "http://a", "s")),
    cb.MoveWebhook(1, 7, 0),
    cb.PutDeadLetter(DeadLetter(1, 7, "k", 5, 3, "e", b"{}")),
    cb.DropDeadLetter(1, 7),
    cb.DropWebhook(1),
    c.PutCredential(Credential(ANN, "email", "a@b", 5, done=True)),
    c.PutSession(LoginSession(ANN, 1, 5, 5)),
    c.RevokeSessions(ANN, 1, 5),
    c.DropSession(ANN, 1, 5),
    c.DropCredential(ANN, "email", "a@b"),
    c.DropLogin("basic", "ann"),
    c.PutIdem(GROUP, ANN, "k", 1, 5),
    c.PurgeIdem(5),
    c.PutFindQuery(ANN, b'"a"'),
    c.PutFindQuery(ANN, None),
    c.DeleteTopic(GROUP),
    c.DeleteUser(ANN, False, 5),
    c.DeleteUser(ANN, True, 5),
    c.PutDevice(Device("d", ANN)),
    c.DropDevice(ANN, "d"),
    c.PutUpload(Upload("f", ANN, 5, 10, "image/png", "e"), ANN, 1, 100),
    c.LinkUploads(GROUP, 6, ("f",)),
    c.LinkUploads(ANN, 0, ("f",)),
    c.DropUploads(("f",)),
    c.PurgeUploaded(5),
    cb.PutScheduled(Scheduled("a", "k", 5, b"{}")),
    cb.DropScheduled("a"),
    cb.PutKey(ApiKey("a", "n", "d", ("s",), (), (), 0, 5)),
    cb.PutAudit(AuditEntry(5, Actor("key", "a"), "user.change", ANN, b"{}")),
    cb.PurgeAudit(6),
    c.PutRetention(GROUP, 3),
    c.PutRetention(GROUP, None),
    cb.PutSetting("limits.tags", b"3"),
    cb.PutSetting("limits.tags", None),
    cb.PutSecret("a", b"b"),
]
# What may be walked through from end to end: lists given with the statement, and results.
HARMLESS = re.compile(
    r"SCAN (j|r|h|c|hit|counted|candidate|json_each|CONSTANT ROW|\d+ CONSTANT ROWS?)\b"
)


def test_every_query_and_change_is_looked_at():
    assert {type(query) for query in QUERIES} == set(read.ARMS)
    assert {type(change) for change in CHANGES} == set(apply.ARMS)


@pytest.fixture
async def filled(tmp_path):
    async with open_sqlite(tmp_path / "t.db", inline=True) as store:
        await people(store)
        await published(store, 5)
        await put(store, c.PutTopic(topic(PAIR)))
        yield store


def _traced(statements):
    ran: list[str] = []
    statements.connection.set_trace_callback(ran.append)
    return ran


def _check(connection, ran):
    connection.set_trace_callback(None)
    assert ran
    for sql in ran:
        if not sql.lstrip().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            continue
        for *_, step in connection.execute("EXPLAIN QUERY PLAN " + sql).fetchall():
            assert not step.startswith("SCAN") or HARMLESS.match(step), f"{step}\n{sql}"


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
async def test_queries_scan_no_table(filled, query):
    _, near, _ = filled._statements
    ran = _traced(near)
    await filled.fetch(query)
    _check(near.connection, ran)


async def test_changes_scan_no_table(filled):
    writer, _, _ = filled._statements
    ran = _traced(writer)
    for change in CHANGES:
        await put(filled, change)
    _check(writer.connection, ran)


async def test_a_page_is_read_in_order(filled):
    _, near, _ = filled._statements
    ran = _traced(near)
    await filled.fetch(q.MessagesIn(GROUP, ANN, ALL, 24))
    near.connection.set_trace_callback(None)
    (sql,) = ran
    steps = [row[3] for row in near.connection.execute("EXPLAIN QUERY PLAN " + sql)]
    # What the reader has deleted is asked for once, not for each message; nothing is sorted.
    assert [step.split()[0] for step in steps] == ["SEARCH", "SCALAR", "SEARCH"], steps


async def test_a_page_between_deletions_is_read_in_order(filled):
    await put(filled, c.DeleteMessages(GROUP, 1, ANN, (Range(2, 3),), 5))
    _, near, _ = filled._statements
    ran = _traced(near)
    await filled.fetch(q.MessagesIn(GROUP, ANN, (Range(1, 3),), 24))
    near.connection.set_trace_callback(None)
    for sql in ran[1:]:
        steps = [row[3] for row in near.connection.execute("EXPLAIN QUERY PLAN " + sql)]
        assert len(steps) == 1
        assert steps[0].startswith("SEARCH"), steps


async def test_the_trigger_of_hot_changes_scans_no_table(filled):
    connection = filled._statements[0].connection
    (trigger,) = connection.execute(
        "SELECT sql FROM sqlite_temp_master WHERE name = 'hot_write'"
    ).fetchone()
    body = trigger[trigger.index("BEGIN") + 5 : trigger.rindex("END")]
    writes = [part for part in body.split(";") if part.strip() and "RAISE" not in part]
    assert len(writes) == 5
    for write in writes:
        sql = re.sub(r"new\.\w+", "?1", write)
        steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + sql, ("[]",))]
        (scan,) = (step for step in steps if step.startswith("SCAN"))
        assert re.fullmatch(r"SCAN (j|json_each) VIRTUAL TABLE INDEX 1:", scan), steps
