-- Accounts, topics, subscriptions, messages.
--
-- Columns named public, trusted, private, query, aux, head and content hold JSON text exactly
-- as it came; tags holds a JSON array of strings. Times are milliseconds since 1970, 0 is never.
-- What every publication changes is kept apart in small rows (topic_tail), so that a commit
-- touches few pages however large a topic's picture is.

CREATE TABLE account (
    id TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    state TEXT NOT NULL,
    auth INTEGER NOT NULL,
    anon INTEGER NOT NULL,
    public TEXT,
    trusted TEXT,
    private TEXT,
    tags TEXT NOT NULL,
    want INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    serial INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The persistent query of a user's search topic.
CREATE TABLE find_query (
    user TEXT PRIMARY KEY,
    query TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE login (
    scheme TEXT NOT NULL,
    name TEXT NOT NULL,
    user TEXT NOT NULL,
    secret TEXT NOT NULL,
    level INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    PRIMARY KEY (scheme, name)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX login_user ON login (user, scheme);

CREATE TABLE topic (
    name TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    channel INTEGER NOT NULL,
    auth INTEGER NOT NULL,
    anon INTEGER NOT NULL,
    public TEXT,
    trusted TEXT,
    aux TEXT,
    tags TEXT NOT NULL,
    readers INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX topic_owner ON topic (owner, name) WHERE owner <> '';

CREATE TABLE topic_tail (
    topic TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    touched INTEGER NOT NULL,
    delid INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- peer is the other user of a p2p conversation, empty elsewhere.
CREATE TABLE subscription (
    topic TEXT NOT NULL,
    user TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    want INTEGER NOT NULL,
    given INTEGER NOT NULL,
    private TEXT,
    read INTEGER NOT NULL,
    recv INTEGER NOT NULL,
    clear INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    peer TEXT NOT NULL,
    PRIMARY KEY (topic, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX subscription_user ON subscription (user, topic);

-- How many live subscriptions a group has, its channel's readers included.
CREATE TABLE membership (
    topic TEXT PRIMARY KEY,
    members INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER member_added AFTER INSERT ON subscription
WHEN new.deleted = 0 AND substr(new.topic, 1, 3) IN ('grp', 'chn')
BEGIN
    INSERT INTO membership (topic, members) VALUES ('grp' || substr(new.topic, 4), 1)
    ON CONFLICT (topic) DO UPDATE SET members = members + 1;
END;

CREATE TRIGGER member_changed AFTER UPDATE OF deleted ON subscription
WHEN (new.deleted = 0) <> (old.deleted = 0) AND substr(new.topic, 1, 3) IN ('grp', 'chn')
BEGIN
    INSERT INTO membership (topic, members)
    VALUES ('grp' || substr(new.topic, 4), iif(new.deleted = 0, 1, -1))
    ON CONFLICT (topic) DO UPDATE SET members = members + excluded.members;
END;

CREATE TRIGGER member_removed AFTER DELETE ON subscription
WHEN old.deleted = 0 AND substr(old.topic, 1, 3) IN ('grp', 'chn')
BEGIN
    UPDATE membership SET members = members - 1 WHERE topic = 'grp' || substr(old.topic, 4);
END;

-- A message that was deleted for all has no row; topic_tail.seq keeps its number taken.
CREATE TABLE message (
    topic TEXT NOT NULL,
    seq INTEGER NOT NULL,
    sender TEXT NOT NULL,
    ts INTEGER NOT NULL,
    head TEXT,
    content TEXT NOT NULL,
    PRIMARY KEY (topic, seq)
) STRICT, WITHOUT ROWID;

-- The log of deletions; user is empty where messages were deleted for all.
CREATE TABLE deletion (
    topic TEXT NOT NULL,
    user TEXT NOT NULL,
    delid INTEGER NOT NULL,
    low INTEGER NOT NULL,
    hi INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (topic, user, delid, low)
) STRICT, WITHOUT ROWID;

-- What a user deleted for himself, merged: the ranges of one user in one topic never touch.
CREATE TABLE hidden (
    topic TEXT NOT NULL,
    user TEXT NOT NULL,
    low INTEGER NOT NULL,
    hi INTEGER NOT NULL,
    PRIMARY KEY (topic, user, low)
) STRICT, WITHOUT ROWID;

CREATE TABLE tag (
    tag TEXT NOT NULL,
    owner TEXT NOT NULL,
    PRIMARY KEY (tag, owner)
) STRICT, WITHOUT ROWID;

CREATE INDEX tag_owner ON tag (owner);

CREATE UNIQUE INDEX tag_alias ON tag (tag) WHERE tag >= 'alias:' AND tag < 'alias;';

CREATE TABLE secret (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
