-- How many runs there are of each status.
SELECT json_group_object(status, runs) FROM (SELECT status, count(*) AS runs FROM runs GROUP BY status)
