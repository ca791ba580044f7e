-- Logins: one number for each device that a user logged in with, carried by its tokens.

CREATE TABLE session (
    user TEXT NOT NULL,
    n INTEGER NOT NULL,
    created INTEGER NOT NULL,
    seen INTEGER NOT NULL,
    user_agent TEXT NOT NULL,
    platform TEXT NOT NULL,
    revoked INTEGER NOT NULL,
    PRIMARY KEY (user, n)
) STRICT, WITHOUT ROWID;
