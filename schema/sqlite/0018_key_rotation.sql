-- The secret of a key before the last: its digest, and until when it is good.

ALTER TABLE api_key ADD COLUMN former TEXT NOT NULL DEFAULT '';
ALTER TABLE api_key ADD COLUMN former_until INTEGER NOT NULL DEFAULT 0;
