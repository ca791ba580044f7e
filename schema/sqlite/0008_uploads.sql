-- Uploaded files: what is known of each, and what refers to it. The bytes are elsewhere.

-- refs counts the rows of upload_link; a file without any is removed after a while. user is
-- empty for who had no account yet.
CREATE TABLE upload (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    created INTEGER NOT NULL,
    size INTEGER NOT NULL,
    type TEXT NOT NULL,
    etag TEXT NOT NULL,
    refs INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX upload_loose ON upload (created, id) WHERE refs = 0;

CREATE INDEX upload_user ON upload (user) WHERE user <> '';

-- owner is a topic; seq the number of a message in it. With seq 0 it is the picture of a
-- user or a group.
CREATE TABLE upload_link (
    owner TEXT NOT NULL,
    seq INTEGER NOT NULL,
    upload TEXT NOT NULL,
    PRIMARY KEY (owner, seq, upload)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER upload_linked AFTER INSERT ON upload_link
BEGIN
    UPDATE upload SET refs = refs + 1 WHERE id = new.upload;
END;

CREATE TRIGGER upload_unlinked AFTER DELETE ON upload_link
BEGIN
    UPDATE upload SET refs = refs - 1 WHERE id = old.upload;
END;

-- How much somebody has uploaded in a day, whatever became of it.
CREATE TABLE uploaded (
    who TEXT NOT NULL,
    day INTEGER NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (who, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX uploaded_day ON uploaded (day);
