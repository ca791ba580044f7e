-- How many messages each key wants sent later, and how long their requests are together.

CREATE TABLE scheduled_total (
    key TEXT COLLATE "C" PRIMARY KEY,
    count BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);

INSERT INTO scheduled_total (key, count, bytes)
SELECT key, count(*), sum(octet_length(request)) FROM scheduled GROUP BY key;
