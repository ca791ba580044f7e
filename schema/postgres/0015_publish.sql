-- Whether clients may publish in a topic; where not, its messages come from a back end.

ALTER TABLE topic ADD COLUMN publish BIGINT NOT NULL DEFAULT 1;
