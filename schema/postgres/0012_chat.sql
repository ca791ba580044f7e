-- All that there is, as schema/sqlite has it at the same number: the same tables, with the same
-- columns in the same order, so that an export of either is an import of the other.
--
-- Texts are compared by their bytes.
--
-- Columns named public, trusted, private, query, aux, head and content hold JSON text exactly
-- as it came; tags holds a JSON array of strings. Times are milliseconds since 1970, 0 is never.
-- What every publication changes is kept apart in small rows (topic_tail), so that a commit
-- touches few pages however large a topic's picture is.

CREATE TABLE account (
    id TEXT COLLATE "C" PRIMARY KEY,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    auth BIGINT NOT NULL,
    anon BIGINT NOT NULL,
    public TEXT COLLATE "C",
    trusted TEXT COLLATE "C",
    private TEXT COLLATE "C",
    tags TEXT COLLATE "C" NOT NULL,
    want BIGINT NOT NULL,
    last_seen BIGINT NOT NULL,
    user_agent TEXT COLLATE "C" NOT NULL,
    serial BIGINT NOT NULL
);

-- The persistent query of a user's search topic.
CREATE TABLE find_query (
    "user" TEXT COLLATE "C" PRIMARY KEY,
    query TEXT COLLATE "C" NOT NULL
);

CREATE TABLE login (
    scheme TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    "user" TEXT COLLATE "C" NOT NULL,
    secret TEXT COLLATE "C" NOT NULL,
    level BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (scheme, name)
);

CREATE UNIQUE INDEX login_user ON login ("user", scheme);

CREATE TABLE topic (
    name TEXT COLLATE "C" PRIMARY KEY,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    channel BIGINT NOT NULL,
    auth BIGINT NOT NULL,
    anon BIGINT NOT NULL,
    public TEXT COLLATE "C",
    trusted TEXT COLLATE "C",
    aux TEXT COLLATE "C",
    tags TEXT COLLATE "C" NOT NULL,
    readers BIGINT NOT NULL
);

CREATE INDEX topic_owner ON topic (owner, name) WHERE owner <> '';

CREATE TABLE topic_tail (
    topic TEXT COLLATE "C" PRIMARY KEY,
    seq BIGINT NOT NULL,
    touched BIGINT NOT NULL,
    delid BIGINT NOT NULL
) WITH (fillfactor = 70); -- room to be updated in place

-- peer is the other user of a p2p conversation, empty elsewhere.
CREATE TABLE subscription (
    topic TEXT COLLATE "C" NOT NULL,
    "user" TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    want BIGINT NOT NULL,
    given BIGINT NOT NULL,
    private TEXT COLLATE "C",
    read BIGINT NOT NULL,
    recv BIGINT NOT NULL,
    clear BIGINT NOT NULL,
    deleted BIGINT NOT NULL,
    peer TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (topic, "user")
) WITH (fillfactor = 70); -- room to be updated in place

CREATE INDEX subscription_user ON subscription ("user", topic);

-- How many live subscriptions a group has, its channel's readers included.
CREATE TABLE membership (
    topic TEXT COLLATE "C" PRIMARY KEY,
    members BIGINT NOT NULL
);

CREATE FUNCTION count_member() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change BIGINT := 0;
    name TEXT;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        name := old.topic;
        change := change - (old.deleted = 0)::int;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        name := new.topic;
        change := change + (new.deleted = 0)::int;
    END IF;
    IF change <> 0 AND substr(name, 1, 3) IN ('grp', 'chn') THEN
        INSERT INTO membership (topic, members) VALUES ('grp' || substr(name, 4), change)
        ON CONFLICT (topic) DO UPDATE SET members = membership.members + excluded.members;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER member_counted AFTER INSERT OR DELETE OR UPDATE OF deleted ON subscription
FOR EACH ROW EXECUTE FUNCTION count_member();

-- A message that was deleted for all has no row; topic_tail.seq keeps its number taken.
CREATE TABLE message (
    topic TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    sender TEXT COLLATE "C" NOT NULL,
    ts BIGINT NOT NULL,
    head TEXT COLLATE "C",
    content TEXT COLLATE "C" NOT NULL,
    event BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, seq)
);

-- The log of deletions; user is empty where messages were deleted for all.
CREATE TABLE deletion (
    topic TEXT COLLATE "C" NOT NULL,
    "user" TEXT COLLATE "C" NOT NULL,
    delid BIGINT NOT NULL,
    low BIGINT NOT NULL,
    hi BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (topic, "user", delid, low)
);

-- What a user deleted for himself, merged: the ranges of one user in one topic never touch.
CREATE TABLE hidden (
    topic TEXT COLLATE "C" NOT NULL,
    "user" TEXT COLLATE "C" NOT NULL,
    low BIGINT NOT NULL,
    hi BIGINT NOT NULL,
    PRIMARY KEY (topic, "user", low)
);

CREATE TABLE tag (
    tag TEXT COLLATE "C" NOT NULL,
    owner TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (tag, owner)
);

CREATE INDEX tag_owner ON tag (owner);

CREATE UNIQUE INDEX tag_alias ON tag (tag) WHERE tag >= 'alias:' AND tag < 'alias;';

CREATE TABLE secret (
    name TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

-- The inbox of each user: his private messages and the notices he must not miss, numbered
-- without a gap from 1. A message is kept once, in its topic; here is its place in the order.

CREATE TABLE inbox (
    "user" TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C",
    PRIMARY KEY ("user", n)
);

-- The lowest number still kept and the highest given out.
CREATE TABLE inbox_tail (
    "user" TEXT COLLATE "C" PRIMARY KEY,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL
) WITH (fillfactor = 70); -- room to be updated in place

-- What a publication with `head.idem` was answered, so that its repeats get the same answer.

CREATE TABLE idem (
    topic TEXT COLLATE "C" NOT NULL,
    "user" TEXT COLLATE "C" NOT NULL,
    key TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    PRIMARY KEY (topic, "user", key)
);

CREATE INDEX idem_ts ON idem (ts);

-- Devices to which notifications are pushed: one belongs to one user at a time.

CREATE TABLE device (
    id TEXT COLLATE "C" PRIMARY KEY,
    "user" TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    language TEXT COLLATE "C" NOT NULL,
    seen BIGINT NOT NULL
);

CREATE INDEX device_user ON device ("user", seen);

-- Addresses by which people can be reached and checked: e-mail, phone.

CREATE TABLE credential (
    "user" TEXT COLLATE "C" NOT NULL,
    method TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    done BIGINT NOT NULL,
    salt TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    tries BIGINT NOT NULL,
    PRIMARY KEY ("user", method, value)
);

-- A confirmed address is one user's.
CREATE UNIQUE INDEX credential_done ON credential (method, value) WHERE done = 1;

-- Logins: one number for each device that a user logged in with, carried by its tokens.

CREATE TABLE session (
    "user" TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    created BIGINT NOT NULL,
    seen BIGINT NOT NULL,
    user_agent TEXT COLLATE "C" NOT NULL,
    platform TEXT COLLATE "C" NOT NULL,
    revoked BIGINT NOT NULL,
    PRIMARY KEY ("user", n)
);

-- The log of what happened. Messages have no row here: each carries its place in the same order.
-- Numbers rise from commit to commit; none is given out twice. 0: from before there was a log.

CREATE INDEX message_event ON message (event) WHERE event > 0;

CREATE TABLE event (
    id BIGINT PRIMARY KEY,
    ts BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    topic TEXT COLLATE "C" NOT NULL,
    "user" TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C"
);

-- The lowest number still told, and the highest as of the last purge.
CREATE TABLE event_bounds (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    first BIGINT NOT NULL,
    last BIGINT NOT NULL
);

INSERT INTO event_bounds (one, first, last) VALUES (1, 1, 0);

-- The highest number at some times, by which old ones are found.
CREATE TABLE event_mark (
    ts BIGINT PRIMARY KEY,
    last BIGINT NOT NULL
);

-- Users of whom the log says that they are online.
CREATE TABLE online (
    "user" TEXT COLLATE "C" PRIMARY KEY,
    ts BIGINT NOT NULL
);

-- Uploaded files: what is known of each, and what refers to it. The bytes are elsewhere.

-- refs counts the rows of upload_link; a file without any is removed after a while. user is
-- empty for who had no account yet.
CREATE TABLE upload (
    id TEXT COLLATE "C" PRIMARY KEY,
    "user" TEXT COLLATE "C" NOT NULL,
    created BIGINT NOT NULL,
    size BIGINT NOT NULL,
    type TEXT COLLATE "C" NOT NULL,
    etag TEXT COLLATE "C" NOT NULL,
    refs BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX upload_loose ON upload (created, id) WHERE refs = 0;

CREATE INDEX upload_user ON upload ("user") WHERE "user" <> '';

-- owner is a topic; seq the number of a message in it. With seq 0 it is the picture of a
-- user or a group.
CREATE TABLE upload_link (
    owner TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    upload TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (owner, seq, upload)
);

CREATE FUNCTION count_reference() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE upload SET refs = refs + 1 WHERE id = new.upload;
    ELSE
        UPDATE upload SET refs = refs - 1 WHERE id = old.upload;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER upload_counted AFTER INSERT OR DELETE ON upload_link
FOR EACH ROW EXECUTE FUNCTION count_reference();

-- How much somebody has uploaded in a day, whatever became of it.
CREATE TABLE uploaded (
    who TEXT COLLATE "C" NOT NULL,
    day BIGINT NOT NULL,
    size BIGINT NOT NULL,
    PRIMARY KEY (who, day)
);

CREATE INDEX uploaded_day ON uploaded (day);

-- Keys of the business API; digest is the SHA-256 of the secret half. Lists are JSON arrays.

CREATE TABLE api_key (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    topics TEXT COLLATE "C" NOT NULL,
    tags TEXT COLLATE "C" NOT NULL,
    rate BIGINT NOT NULL,
    created BIGINT NOT NULL,
    revoked BIGINT NOT NULL
);

-- Webhooks: where events are posted, how far each has come, and what it did not take.

CREATE TABLE webhook (
    id BIGINT PRIMARY KEY,
    created BIGINT NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    secret TEXT COLLATE "C" NOT NULL,
    kinds TEXT COLLATE "C" NOT NULL,
    topics TEXT COLLATE "C" NOT NULL,
    active BIGINT NOT NULL,
    done BIGINT NOT NULL,
    failing BIGINT NOT NULL
);

-- data is the event as it was to be sent, JSON text.
CREATE TABLE dead_letter (
    hook BIGINT NOT NULL,
    event BIGINT NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    error TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (hook, event)
);

-- Edits by the message that they replace (`head.replace`, as `:5`).
CREATE FUNCTION replaced(head TEXT) RETURNS TEXT LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    found TEXT;
BEGIN
    IF head IS NULL OR strpos(head, 'replace') = 0 THEN
        RETURN NULL;
    END IF;
    found := head::json ->> 'replace';
    IF found ~ '^:[0-9]{1,19}$' THEN -- anything else means nothing, and may be too long
        RETURN found;
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;

CREATE INDEX message_edit ON message (topic, replaced(head), seq) WHERE replaced(head) IS NOT NULL;

-- Messages that a back end wants sent later; request is the JSON that sends it.

CREATE TABLE scheduled (
    id TEXT COLLATE "C" PRIMARY KEY,
    key TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    request TEXT COLLATE "C" NOT NULL
);

CREATE INDEX scheduled_at ON scheduled (at, id);
CREATE INDEX scheduled_key ON scheduled (key, id);

-- Who writes: how often a server has taken this database over, and its last transaction.
CREATE TABLE writer (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    epoch BIGINT NOT NULL,
    batch BIGINT NOT NULL
) WITH (fillfactor = 10); -- updated by every commit, in place

INSERT INTO writer (one, epoch, batch) VALUES (1, 0, 0);

-- What every publication writes, in one call: topics are raised, if no number was skipped;
-- messages, marks and places in inboxes are added. All parameters but the first are JSON arrays
-- of arrays, in the order of the columns that are read from them.
CREATE FUNCTION write_hot(
    this_batch BIGINT, tails JSON, messages JSON, marks JSON, inboxes JSON, places JSON
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    raised BIGINT;
BEGIN
    UPDATE topic_tail SET seq = j.last, touched = greatest(topic_tail.touched, j.ts)
    FROM (SELECT value ->> 0 AS topic, (value ->> 1)::bigint AS first,
                 (value ->> 2)::bigint AS last, (value ->> 3)::bigint AS ts
          FROM json_array_elements(tails)) AS j
    WHERE topic_tail.topic = j.topic AND topic_tail.seq = j.first - 1;
    GET DIAGNOSTICS raised = ROW_COUNT;
    IF raised <> json_array_length(tails) THEN
        RAISE EXCEPTION 'a message is not the next of its topic' USING ERRCODE = 'TP001';
    END IF;

    INSERT INTO message (topic, seq, sender, ts, head, content, event)
    SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2, (value ->> 3)::bigint,
           value ->> 4, value ->> 5, (value ->> 6)::bigint
    FROM json_array_elements(messages);

    IF json_array_length(marks) > 0 THEN
        UPDATE subscription SET read = greatest(subscription.read, j.read),
                                recv = greatest(subscription.recv, j.recv)
        FROM (SELECT value ->> 0 AS topic, value ->> 1 AS who, (value ->> 2)::bigint AS read,
                     (value ->> 3)::bigint AS recv
              FROM json_array_elements(marks)) AS j
        WHERE subscription.topic = j.topic AND subscription."user" = j.who;
    END IF;

    IF json_array_length(inboxes) > 0 THEN
        INSERT INTO inbox_tail ("user", first, last)
        SELECT value ->> 0, 1, (value ->> 1)::bigint FROM json_array_elements(inboxes) ORDER BY 1
        ON CONFLICT ("user") DO UPDATE SET last = inbox_tail.last + excluded.last;

        INSERT INTO inbox ("user", n, topic, seq, ts, kind)
        SELECT j.who, t.last - j.behind, j.topic, j.seq, j.ts, ''
        FROM (SELECT value ->> 0 AS who, (value ->> 1)::bigint AS behind, value ->> 2 AS topic,
                     (value ->> 3)::bigint AS seq, (value ->> 4)::bigint AS ts
              FROM json_array_elements(places)) AS j
        JOIN inbox_tail AS t ON t."user" = j.who;
    END IF;

    UPDATE writer SET batch = this_batch WHERE one = 1;
END $$;
