-- What operators and back ends have done. Entries are added at the end, never changed, and go
-- only when they are older than the bound that the purge has set.

CREATE TABLE audit (
    n BIGINT PRIMARY KEY,
    ts BIGINT NOT NULL,
    door TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    origin TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C"
);

CREATE INDEX audit_ts ON audit (ts);

CREATE TABLE audit_bound (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    before BIGINT NOT NULL
);

INSERT INTO audit_bound (one, before) VALUES (1, 0);

-- The last number given out. A sequence would skip those of batches that were undone.
ALTER TABLE writer ADD COLUMN audit BIGINT NOT NULL DEFAULT 0;

CREATE FUNCTION number_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE writer SET audit = 1 + greatest(audit, coalesce((SELECT max(a.n) FROM audit AS a), 0))
    WHERE one = 1 RETURNING audit INTO new.n;
    RETURN new;
END $$;

CREATE TRIGGER audit_is_numbered BEFORE INSERT ON audit
FOR EACH ROW WHEN (new.n IS NULL) EXECUTE FUNCTION number_audit();

CREATE FUNCTION keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'an entry of the audit is never changed';
    END IF;
    IF old.ts >= (SELECT before FROM audit_bound WHERE one = 1) THEN
        RAISE EXCEPTION 'an entry of the audit is kept for audit.days';
    END IF;
    RETURN old;
END $$;

CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION keep_audit();
