-- Webhooks: where events are posted, how far each has come, and what it did not take.

CREATE TABLE webhook (
    id INTEGER PRIMARY KEY,
    created INTEGER NOT NULL,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    kinds TEXT NOT NULL,
    topics TEXT NOT NULL,
    active INTEGER NOT NULL,
    done INTEGER NOT NULL,
    failing INTEGER NOT NULL
) STRICT;

-- data is the event as it was to be sent, JSON text.
CREATE TABLE dead_letter (
    hook INTEGER NOT NULL,
    event INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    error TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (hook, event)
) STRICT, WITHOUT ROWID;
