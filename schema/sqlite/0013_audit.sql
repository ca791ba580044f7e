-- What operators and back ends have done. Entries are added at the end, never changed, and go
-- only when they are older than the bound that the purge has set.

CREATE TABLE audit (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    ts INTEGER NOT NULL,
    door TEXT NOT NULL,
    actor TEXT NOT NULL,
    origin TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT
) STRICT;

CREATE INDEX audit_ts ON audit (ts);

CREATE TABLE audit_bound (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    before INTEGER NOT NULL
) STRICT;

INSERT INTO audit_bound (one, before) VALUES (1, 0);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'an entry of the audit is never changed');
END;

CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
WHEN old.ts >= (SELECT before FROM audit_bound WHERE one = 1)
BEGIN
    SELECT RAISE(ABORT, 'an entry of the audit is kept for audit.days');
END;
