"""Changes as they are generated, and every query there is about what they may have changed."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.store.made import ANN, BOB, CAT, CHANNEL, GROUP, OTHER, PAIR
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
    Message,
    Range,
    Scheduled,
    State,
    Subscription,
    Topic,
    Upload,
    User,
    Webhook,
)

users = st.sampled_from([ANN, BOB, CAT])

topics = st.sampled_from([GROUP, OTHER, PAIR])

times = st.integers(1, 5)

json = st.sampled_from([None, b'{"a" : 1}', '"ž🐴\\u0000"'.encode(), b"[1.0e5]"])

tags = st.lists(st.sampled_from(["cook", "tel:1", "alias:x", "alias:y"]), max_size=3, unique=True)

states = st.sampled_from(list(State))

ranges = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 4)).map(lambda p: Range(p[0], p[0] + p[1])),
    max_size=3,
).map(tuple)

hooks = st.integers(1, 2)

device_ids = st.sampled_from(["d1", "d2", "d3"])

uploads = st.lists(st.sampled_from(["f1", "f2", "f3"]), max_size=3, unique=True).map(tuple)

members = st.one_of(
    st.tuples(st.sampled_from([GROUP, OTHER, CHANNEL]), users),
    st.tuples(st.just(PAIR), st.sampled_from([ANN, BOB])),
)

put_user = st.builds(
    User,
    *(users, times, times),
    state=states,
    public=json,
    private=json,
    tags=tags.map(tuple),
    user_agent=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=3),
).map(c.PutUser)

put_login = st.builds(
    Login,
    st.sampled_from(["basic", "rest"]),
    st.sampled_from(["n", "m"]),
    users,
    st.sampled_from(["s", "t"]),
    st.sampled_from(list(Level)),
).map(c.PutLogin)

put_topic = st.builds(
    Topic,
    *(topics, times, times),
    owner=st.one_of(st.just(""), users),
    state=states,
    channel=st.booleans(),
    public=json,
    aux=json,
    tags=tags.map(tuple),
    readers=times,
    call=json,
).map(c.PutTopic)

put_subscription = st.builds(
    lambda at, **fields: Subscription(*at, **fields),
    members,
    created=times,
    updated=times,
    want=times,
    given=times,
    private=json,
    read=times,
    deleted=st.sampled_from([0, 0, 3, 6]),
).map(c.PutSubscription)

# Numbers here are distances to what the topic has: see `_placed`.
append = st.builds(
    Message,
    topics,
    st.sampled_from([1, 1, 1, 1, 2, 0]),
    users,
    times,
    head=json,
    content=json.map(lambda text: text or b"1"),
).flatmap(
    lambda message: st.builds(
        c.AppendMessage, st.just(message), st.sampled_from([(), (ANN, BOB), (CAT,)])
    )
)

delete_messages = st.builds(
    c.DeleteMessages,
    topics,
    st.sampled_from([1, 1, 1, -1]),
    st.one_of(st.just(""), users),
    ranges,
    times,
)

put_upload = st.builds(
    c.PutUpload,
    st.builds(
        Upload,
        st.sampled_from(["f1", "f2", "f3"]),
        users,
        times,
        times,
        st.just("image/png"),
        st.just("e"),
    ),
    users,
    times,
    st.sampled_from([0, 6]),
)

link_uploads = st.builds(
    c.LinkUploads, st.sampled_from([GROUP, OTHER, ANN, BOB]), st.integers(0, 3), uploads
)

change = st.one_of(
    put_user,
    put_login,
    put_topic,
    put_subscription,
    append,
    append,
    append,
    st.builds(c.SetSeen, users, times, st.sampled_from(["", "ua/2"])),
    members.flatmap(lambda at: st.builds(c.SetMarks, *map(st.just, at), times, times)),
    delete_messages,
    delete_messages,
    st.builds(c.DeleteTopic, topics),
    st.builds(c.DeleteUser, users, st.booleans(), times),
    st.builds(c.PutFindQuery, users, json),
    st.builds(c.PutNotice, users, topics, st.just("invite"), times, st.just(b'{"act":"x"}')),
    st.builds(
        Credential,
        users,
        st.just("email"),
        st.sampled_from(["a@b", "c@d"]),
        times,
        st.booleans(),
        tries=times,
    ).map(c.PutCredential),
    st.builds(
        LoginSession, users, st.integers(1, 3), times, times, revoked=st.sampled_from([0, 5])
    ).flatmap(lambda session: st.builds(c.PutSession, st.just(session), st.booleans())),
    st.builds(c.RevokeSessions, users, st.integers(0, 3), times),
    st.builds(c.DropSession, users, st.integers(1, 3), times),
    st.builds(c.DropCredential, users, st.just("email"), st.sampled_from(["a@b", "c@d"])),
    st.builds(c.DropLogin, st.sampled_from(["basic", "rest"]), st.sampled_from(["n", "m"])),
    st.builds(c.PutIdem, topics, users, st.sampled_from(["k", "l"]), times, times),
    st.builds(c.PurgeIdem, times),
    st.builds(c.PurgeInbox, users, st.integers(0, 1010)),
    st.builds(cb.PutOnline, users, times, st.just(b"{}")),
    st.builds(cb.PutOffline, users, times, st.just(b"{}")),
    st.builds(cb.PurgeEvents, times, times),
    st.builds(Webhook, hooks, times, st.just("u"), st.just("s"), active=st.booleans()).map(
        cb.PutWebhook
    ),
    st.builds(cb.MoveWebhook, hooks, times, times),
    st.builds(cb.DropWebhook, hooks),
    st.builds(
        DeadLetter, hooks, times, st.just("k"), times, times, st.just("e"), st.just(b"{}")
    ).map(cb.PutDeadLetter),
    st.builds(cb.DropDeadLetter, hooks, times),
    st.builds(Device, device_ids, users, seen=times).map(c.PutDevice),
    st.builds(c.DropDevice, users, device_ids),
    put_upload,
    link_uploads,
    link_uploads,
    st.builds(c.DropUploads, uploads),
    st.builds(c.PurgeUploaded, times),
    st.builds(
        ApiKey,
        st.sampled_from(("a", "b")),
        name=st.just("n"),
        digest=st.just("d"),
        scopes=st.sampled_from(((), ("s", "ä"))),
        topics=st.just(()),
        tags=st.sampled_from(((), ('"',))),
        rate=times,
        created=times,
        revoked=times,
    ).map(cb.PutKey),
    st.builds(c.ClaimTags, users, st.sampled_from([("alias:x",), ("tel:1", "cook")])),
    st.builds(
        cb.PutScheduled,
        st.builds(
            Scheduled,
            st.sampled_from("xyz"),
            st.sampled_from("kl"),
            times,
            st.sampled_from([b"{}", b'{"a":"\xc3\xa4"}']),
        ),
        st.sampled_from([0, 1, 2]),
        st.sampled_from([0, 10, 12]),
    ),
    st.builds(cb.DropScheduled, st.sampled_from("xyz")),
    st.builds(
        AuditEntry,
        times,
        st.builds(Actor, st.sampled_from(["key", "root"]), users),
        st.just("user.change"),
        users,
        st.sampled_from([None, b"{}"]),
    ).map(cb.PutAudit),
    st.builds(cb.PurgeAudit, times),
    st.builds(
        cb.PutSetting,
        st.sampled_from(("a.b", "a.ä")),
        st.sampled_from((b'"\xc3\xa4"', b"1", None)),
    ),
    st.builds(c.PutRetention, st.sampled_from((GROUP, PAIR)), st.sampled_from((0, 3, None))),
    st.builds(cb.PutSecret, st.just("key"), st.binary(max_size=3)),
)

batches = st.lists(st.lists(change, max_size=4), max_size=12)

QUERIES: list[q.Query[Any]] = [
    *(q.UserById(user) for user in (ANN, BOB, CAT)),
    q.UsersById((ANN, BOB, CAT)),
    *(q.LoginByName(scheme, name) for scheme in ("basic", "rest") for name in ("n", "m")),
    *(q.LoginsOf(user) for user in (ANN, BOB)),
    *(q.TopicByName(topic) for topic in (GROUP, OTHER, PAIR)),
    *(q.MembersOf(at, former) for at in (GROUP, CHANNEL, PAIR) for former in (False, True)),
    *(q.SubscriptionOf(at, user) for at in (GROUP, CHANNEL, PAIR) for user in (ANN, BOB)),
    *(q.ContactsOf(user, since) for user in (ANN, CAT) for since in (0, 4)),
    *(q.ContactsOf(ANN, 0, topic) for topic in (GROUP, CHANNEL, PAIR)),
    *(q.MessagesIn(GROUP, user, (Range(1, 90),), 9) for user in (ANN, BOB, CAT)),
    q.MessagesIn(PAIR, ANN, (Range(1, 3), Range(4, 6), Range(7, 2**31)), 3),
    *(q.MessageAt(GROUP, seq) for seq in (1, 2, 3)),
    *(q.SeqSince(GROUP, ts) for ts in (0, 1002, 1004, 9000)),
    *(q.DeletionsIn(GROUP, user, 0, 0, n) for user in (ANN, BOB) for n in (1, 3, 50)),
    q.DeletionsIn(PAIR, ANN, 2, 4, 50),
    q.FindByTags((), ("cook", "tel:1", "alias:x"), ANN, False, 9),
    q.FindByTags((("cook", "alias:y"), ("tel:1",)), ("alias:x",), "", True, 2),
    q.FindQueryOf(ANN),
    *(q.OwnerOfTag(tag) for tag in ("alias:x", "alias:y", "cook")),
    *(q.GroupsOwnedBy(user) for user in (ANN, BOB)),
    *(q.InboxOf(user, since, n) for user in (ANN, BOB) for since, n in ((0, 9), (1, 99), (3, 2))),
    *(q.SilencedBy(at) for at in (GROUP, PAIR)),
    q.InboxUsers(ANN, 2),
    *(qb.EventsAfter(after, limit) for after in (0, 4) for limit in (0, 2, 100)),
    qb.EventsAfter(0, 100, messages=False),
    qb.EventsAfter(0, 100, size=300),
    qb.OnlineAfter("", 2),
    *(q.CallsAfter(after, limit) for after in ("", GROUP) for limit in (1, 9)),
    qb.WebhooksAfter(0, 9),
    qb.WebhooksAfter(1, 1),
    qb.DeadLettersOf(1, 0, 9),
    qb.DeadLettersOf(2, 1, 1),
    qb.DeadCount(1),
    q.AccountsAfter("", 2),
    q.AccountsAfter(ANN, 100),
    *(q.SessionsOf(user) for user in (ANN, BOB)),
    *(q.SessionAt(ANN, n) for n in (1, 2)),
    *(q.CredentialsOf(user) for user in (ANN, BOB)),
    *(q.ConfirmedBy("email", value) for value in ("a@b", "c@d")),
    *(q.AnswerTo(at, ANN, key) for at in (GROUP, PAIR) for key in ("k", "l")),
    q.DeviceById("d1"),
    q.DevicesOf((BOB, ANN)),
    q.UnreadOf((CAT, ANN, BOB)),
    *(q.ChannelsOf(user) for user in (ANN, BOB)),
    *(q.UploadById(name) for name in ("f1", "f2", "f3")),
    q.LooseUploads(4, 2),
    q.LooseUploads(9, 9),
    *(q.UploadedBy(user, day) for user in (ANN, BOB) for day in (1, 2)),
    *(qb.UsersAfter(after, limit) for after in ("", ANN) for limit in (1, 9)),
    *(qb.TopicsAfter(after, limit) for after in ("", GROUP) for limit in (1, 9)),
    *(q.EditsOf(at, (1, 2, 3), limit) for at in (GROUP, PAIR) for limit in (1, 9)),
    *(qb.DueScheduled(limit) for limit in (1, 9)),
    *(qb.ScheduledAfter(key, after, 9) for key in "kl" for after in ("", "x")),
    *(qb.AuditBefore(n, limit) for n in (2, 99) for limit in (1, 9)),
    *(qb.KeyById(name) for name in "ab"),
    *(qb.KeysAfter(after, limit) for after in ("", "a") for limit in (1, 9)),
    *(q.OldestIn(at, limit) for at in (GROUP, PAIR) for limit in (1, 9)),
    *(q.RetentionOf(at) for at in (GROUP, PAIR)),
    *(qb.RetentionsAfter(after, 1) for after in ("", GROUP)),
    qb.StoredSettings(),
    qb.SecretNamed("key"),
]
