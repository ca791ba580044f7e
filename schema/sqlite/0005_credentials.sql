-- Addresses by which people can be reached and checked: e-mail, phone.

CREATE TABLE credential (
    user TEXT NOT NULL,
    method TEXT NOT NULL,
    value TEXT NOT NULL,
    created INTEGER NOT NULL,
    done INTEGER NOT NULL,
    salt TEXT NOT NULL,
    digest TEXT NOT NULL,
    tries INTEGER NOT NULL,
    PRIMARY KEY (user, method, value)
) STRICT, WITHOUT ROWID;

-- A confirmed address is one user's.
CREATE UNIQUE INDEX credential_done ON credential (method, value) WHERE done = 1;
