-- How full pools are; what a pool without a total holds is not counted.
SELECT pool, total, turns,
    CASE WHEN total IS NULL THEN 0 ELSE (
        SELECT count(*) FROM tickets WHERE tickets.pool = pools.pool AND tickets.state = 'running'
    ) END AS running
FROM pools
WHERE pool = ANY (%(pools)s);
