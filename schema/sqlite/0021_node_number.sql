-- The number of the last node that has joined the cluster of whoever owns this file: none is given
-- out again. It is not exported.

CREATE TABLE node_number (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL
);

INSERT INTO node_number VALUES (1, 0);
