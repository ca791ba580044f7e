-- Devices to which notifications are pushed: one belongs to one user at a time.

CREATE TABLE device (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    platform TEXT NOT NULL,
    language TEXT NOT NULL,
    seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX device_user ON device (user, seen);
