-- Members of a cluster and their claims are kept by PostgreSQL alone: nothing changes here.

SELECT 1;
