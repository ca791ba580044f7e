-- Keys of the business API; digest is the SHA-256 of the secret half. Lists are JSON arrays.

CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    scopes TEXT NOT NULL,
    topics TEXT NOT NULL,
    tags TEXT NOT NULL,
    rate INTEGER NOT NULL,
    created INTEGER NOT NULL,
    revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
