-- The secret of a key before the last: its digest, and until when it is good.

ALTER TABLE api_key ADD COLUMN former TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN former_until BIGINT NOT NULL DEFAULT 0;
