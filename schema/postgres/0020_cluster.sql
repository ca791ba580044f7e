-- Members of a cluster, and the topics that each of them owns. None of it is exported.

-- A row is a run of a node that is a member; batch is the number of its last transaction.
CREATE TABLE node (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    url TEXT COLLATE "C" NOT NULL,
    batch BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 10); -- updated by every commit, in place

-- Apart from the above, whose row a commit holds. Who waits for beats counts them; the time of the
-- last (ms since 1970) is for people.
CREATE TABLE node_beat (
    node BIGINT PRIMARY KEY,
    beats BIGINT NOT NULL DEFAULT 0,
    at BIGINT NOT NULL,
    load BIGINT NOT NULL DEFAULT 0,
    draining BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- Members of before: by batch they learn what became of a commit in doubt.
CREATE TABLE node_gone (
    id BIGINT PRIMARY KEY,
    batch BIGINT NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX node_gone_at ON node_gone (at);

-- A claim of a node that is no member is void.
CREATE TABLE claim (
    topic TEXT COLLATE "C" PRIMARY KEY,
    node BIGINT NOT NULL
);

CREATE INDEX claim_node ON claim (node, topic);

CREATE FUNCTION now_ms() RETURNS BIGINT LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;

CREATE FUNCTION join_cluster(name TEXT, address TEXT, url TEXT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
    fresh BIGINT;
BEGIN
    DELETE FROM node_gone WHERE at < now_ms() - 86400000;
    INSERT INTO node (name, address, url) VALUES (name, address, url) RETURNING id INTO fresh;
    INSERT INTO node_beat (node, at) VALUES (fresh, now_ms());
    RETURN fresh;
END $$;

-- A beat that a crash of the database forgets does no harm: it waits for no disk.
CREATE FUNCTION beat(me BIGINT, sessions BIGINT, ends BIGINT)
RETURNS TABLE (
    id BIGINT, name TEXT, address TEXT, url TEXT, draining BIGINT, load BIGINT, beats BIGINT
) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE node_beat AS b SET beats = b.beats + 1, at = now_ms(), load = sessions, draining = ends
    WHERE b.node = me;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'node % is no member', me USING ERRCODE = 'TP002';
    END IF;
    RETURN QUERY
        SELECT n.id, n.name, n.address, n.url, b.draining, b.load, b.beats
        FROM node AS n JOIN node_beat AS b ON b.node = n.id ORDER BY n.id;
END $$;

-- End the membership of who has not beaten since it was seen to have done so so many times;
-- whether it is no member now. Its commit that is under way comes before or fails. A connection of
-- its that stands in the way is ended: who holds the lock of its number is the one that writes.
CREATE FUNCTION fence(who BIGINT, seen BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM node_beat AS b WHERE b.node = who AND b.beats = seen FOR UPDATE;
    IF FOUND THEN
        PERFORM pg_terminate_backend(l.pid) FROM pg_locks AS l
        WHERE l.locktype = 'advisory' AND l.classid = 1416195696 AND l.objid = who::oid
            AND l.granted
            AND l.database = (SELECT d.oid FROM pg_database AS d WHERE datname = current_database());
        PERFORM end_node(who);
    END IF;
    RETURN NOT EXISTS (SELECT FROM node AS n WHERE n.id = who);
END $$;

-- Its rows are locked in the same order as above.
CREATE FUNCTION end_node(who BIGINT) RETURNS void LANGUAGE sql AS $$
    DELETE FROM node_beat WHERE node = who;
    WITH gone AS (DELETE FROM node WHERE id = who RETURNING id, batch)
    INSERT INTO node_gone (id, batch, at) SELECT id, batch, now_ms() FROM gone;
$$;

-- The owners of topics, a JSON array without repeats; those that no member owns become `me`'s.
-- Rows are locked in one order. That an owner is gone is seen in the same moment as its claim,
-- and then holds for ever; a claim that another one made meanwhile is left alone.
CREATE FUNCTION claim_topics(me BIGINT, topics JSON) RETURNS TABLE (topic TEXT, node BIGINT)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM node AS n WHERE n.id = me FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'node % is no member', me USING ERRCODE = 'TP002';
    END IF;
    INSERT INTO claim (topic, node)
    SELECT value, me FROM json_array_elements_text(topics) ORDER BY value COLLATE "C"
    ON CONFLICT DO NOTHING;

    PERFORM 1 FROM claim AS c
    WHERE c.topic IN (SELECT value FROM json_array_elements_text(topics))
        AND NOT EXISTS (SELECT FROM node AS n WHERE n.id = c.node)
    ORDER BY c.topic FOR UPDATE;
    IF FOUND THEN
        WITH void AS MATERIALIZED (
            SELECT c.topic, c.node FROM claim AS c
            WHERE c.topic IN (SELECT value FROM json_array_elements_text(topics))
                AND NOT EXISTS (SELECT FROM node AS n WHERE n.id = c.node))
        UPDATE claim AS c SET node = me FROM void AS v
        WHERE c.topic = v.topic AND c.node = v.node;
    END IF;

    RETURN QUERY
        SELECT c.topic, c.node FROM claim AS c
        WHERE c.topic IN (SELECT value FROM json_array_elements_text(topics));
END $$;

CREATE FUNCTION release_topics(me BIGINT, topics JSON) RETURNS void LANGUAGE sql AS $$
    DELETE FROM claim WHERE node = me AND topic IN (
        SELECT topic FROM claim
        WHERE node = me AND topic IN (SELECT value FROM json_array_elements_text(topics))
        ORDER BY topic FOR UPDATE)
$$;

CREATE FUNCTION give_topic(me BIGINT, name TEXT, other BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    alive BIGINT;
BEGIN
    PERFORM 1 FROM node AS n WHERE n.id IN (me, other) ORDER BY n.id FOR KEY SHARE;
    GET DIAGNOSTICS alive = ROW_COUNT;
    IF alive < 2 AND me <> other THEN
        RETURN false;
    END IF;
    UPDATE claim SET node = other WHERE topic = name AND node = me;
    RETURN FOUND;
END $$;

-- Some claims of who is no member go, from `after` on; the last of them, NULL if there was none.
-- Those that are being taken over are left alone.
CREATE FUNCTION forget_claims(who BIGINT, after TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
DECLARE
    reached TEXT;
BEGIN
    WITH void AS MATERIALIZED (
        SELECT c.topic FROM claim AS c WHERE c.node = who AND c.topic > after COLLATE "C"
        ORDER BY c.topic LIMIT 1000 FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM claim AS c USING void AS v WHERE c.topic = v.topic)
    SELECT max(topic COLLATE "C") INTO reached FROM void;
    RETURN reached;
END $$;

-- The highest number that is in the log or was ever purged from it.
CREATE FUNCTION last_event() RETURNS BIGINT LANGUAGE plpgsql AS $$
BEGIN
    RETURN (
        SELECT greatest(last, coalesce((SELECT max(id) FROM event), 0),
            coalesce((SELECT event FROM message WHERE event > 0 ORDER BY event DESC LIMIT 1), 0))
        FROM event_bounds WHERE one = 1);
END $$;

-- The turn of one node among several: until its transaction ends it alone writes. Numbers that
-- are read from now on are those of the commit before.
CREATE FUNCTION take_turn() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1416195695, 2);
END $$;

-- The last statement of every transaction: its number. Node 0 is a server by itself.
CREATE FUNCTION written(me BIGINT, this_batch BIGINT) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF me = 0 THEN
        UPDATE writer SET batch = this_batch WHERE one = 1;
        RETURN;
    END IF;
    UPDATE node SET batch = this_batch WHERE id = me;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'node % is no member', me USING ERRCODE = 'TP002';
    END IF;
END $$;

-- What every publication writes, in one call: topics are raised, if no number was skipped;
-- messages, marks and places in inboxes are added. Parameters from `tails` on are JSON arrays of
-- arrays, in the order of the columns that are read from them. Events are numbered from `base`;
-- without it this is the whole transaction of a node, which takes its turn.
DROP FUNCTION write_hot(BIGINT, JSON, JSON, JSON, JSON, JSON);
CREATE FUNCTION write_hot(
    me BIGINT, this_batch BIGINT, base BIGINT,
    tails JSON, messages JSON, marks JSON, inboxes JSON, places JSON
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    before BIGINT := base;
    raised BIGINT;
BEGIN
    IF before IS NULL THEN
        PERFORM take_turn();
        before := last_event();
    END IF;

    UPDATE topic_tail SET seq = j.last, touched = greatest(topic_tail.touched, j.ts)
    FROM (SELECT value ->> 0 AS topic, (value ->> 1)::bigint AS first,
                 (value ->> 2)::bigint AS last, (value ->> 3)::bigint AS ts
          FROM json_array_elements(tails)) AS j
    WHERE topic_tail.topic = j.topic AND topic_tail.seq = j.first - 1;
    GET DIAGNOSTICS raised = ROW_COUNT;
    IF raised <> json_array_length(tails) THEN
        RAISE EXCEPTION 'a message is not the next of its topic' USING ERRCODE = 'TP001';
    END IF;

    INSERT INTO message (topic, seq, sender, ts, head, content, event)
    SELECT value ->> 0, (value ->> 1)::bigint, value ->> 2, (value ->> 3)::bigint,
           value ->> 4, value ->> 5, before + (value ->> 6)::bigint
    FROM json_array_elements(messages);

    IF json_array_length(marks) > 0 THEN
        UPDATE subscription SET read = greatest(subscription.read, j.read),
                                recv = greatest(subscription.recv, j.recv)
        FROM (SELECT value ->> 0 AS topic, value ->> 1 AS who, (value ->> 2)::bigint AS read,
                     (value ->> 3)::bigint AS recv
              FROM json_array_elements(marks)) AS j
        WHERE subscription.topic = j.topic AND subscription."user" = j.who;
    END IF;

    IF json_array_length(inboxes) > 0 THEN
        INSERT INTO inbox_tail ("user", first, last)
        SELECT value ->> 0, 1, (value ->> 1)::bigint FROM json_array_elements(inboxes) ORDER BY 1
        ON CONFLICT ("user") DO UPDATE SET last = inbox_tail.last + excluded.last;

        INSERT INTO inbox ("user", n, topic, seq, ts, kind)
        SELECT j.who, t.last - j.behind, j.topic, j.seq, j.ts, ''
        FROM (SELECT value ->> 0 AS who, (value ->> 1)::bigint AS behind, value ->> 2 AS topic,
                     (value ->> 3)::bigint AS seq, (value ->> 4)::bigint AS ts
              FROM json_array_elements(places)) AS j
        JOIN inbox_tail AS t ON t."user" = j.who;
    END IF;

    PERFORM written(me, this_batch);
END $$;
