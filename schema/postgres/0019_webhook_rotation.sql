-- The secret that a webhook had before, which signs as well until then (ms since 1970).

ALTER TABLE webhook ADD COLUMN former TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE webhook ADD COLUMN former_until BIGINT NOT NULL DEFAULT 0;
