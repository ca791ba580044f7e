-- The secret that a webhook had before, which signs as well until then (ms since 1970).

ALTER TABLE webhook ADD COLUMN former TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook ADD COLUMN former_until INTEGER NOT NULL DEFAULT 0;
