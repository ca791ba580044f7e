-- The log of what happened. Messages have no row here: each carries its place in the same order.
-- Numbers rise from commit to commit; none is given out twice. 0: from before there was a log.

ALTER TABLE message ADD COLUMN event INTEGER NOT NULL DEFAULT 0;

CREATE INDEX message_event ON message (event) WHERE event > 0;

CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    ts INTEGER NOT NULL,
    kind TEXT NOT NULL,
    topic TEXT NOT NULL,
    user TEXT NOT NULL,
    detail TEXT
) STRICT;

-- The lowest number still told, and the highest as of the last purge.
CREATE TABLE event_bounds (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;

INSERT INTO event_bounds (one, first, last) VALUES (1, 1, 0);

-- The highest number at some times, by which old ones are found.
CREATE TABLE event_mark (
    ts INTEGER PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT;

-- Users of whom the log says that they are online.
CREATE TABLE online (
    user TEXT PRIMARY KEY,
    ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
