-- Messages that a back end wants sent later; request is the JSON that sends it.

CREATE TABLE scheduled (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    request TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX scheduled_at ON scheduled (at, id);
CREATE INDEX scheduled_key ON scheduled (key, id);
