-- Numbers of nodes are those of the table "node" here: nothing changes.

SELECT 1;
