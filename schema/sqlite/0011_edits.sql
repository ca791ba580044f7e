-- Edits by the message that they replace (`head.replace`, as `:5`).

CREATE INDEX message_edit ON message (topic, head ->> '$.replace', seq)
WHERE head IS NOT NULL AND head ->> '$.replace' IS NOT NULL;
