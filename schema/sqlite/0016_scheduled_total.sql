-- How many messages each key wants sent later, and how long their requests are together.

CREATE TABLE scheduled_total (
    key TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO scheduled_total (key, count, bytes)
SELECT key, count(*), sum(length(CAST(request AS BLOB))) FROM scheduled GROUP BY key;
