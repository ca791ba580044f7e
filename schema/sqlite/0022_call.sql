-- The call that rings or runs in a conversation, so that whoever has the topic next knows of it.

ALTER TABLE topic ADD COLUMN call TEXT;

CREATE INDEX topic_call ON topic (name) WHERE call IS NOT NULL;
