-- How many runs there are of each status.
SELECT status, count(*) FROM runs GROUP BY status ORDER BY status;
