-- The inbox of each user: his private messages and the notices he must not miss, numbered
-- without a gap from 1. A message is kept once, in its topic; here is its place in the order.

CREATE TABLE inbox (
    user TEXT NOT NULL,
    n INTEGER NOT NULL,
    topic TEXT NOT NULL,
    seq INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (user, n)
) STRICT, WITHOUT ROWID;

-- The lowest number still kept and the highest given out.
CREATE TABLE inbox_tail (
    user TEXT PRIMARY KEY,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
