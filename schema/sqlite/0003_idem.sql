-- What a publication with `head.idem` was answered, so that its repeats get the same answer.

CREATE TABLE idem (
    topic TEXT NOT NULL,
    user TEXT NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    PRIMARY KEY (topic, user, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idem_ts ON idem (ts);
