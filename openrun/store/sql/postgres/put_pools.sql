-- Pools, as the newest birth wants them; those that are so already are not touched, since all births of a flow would wait
-- for each other.
INSERT INTO pools (pool, total)
SELECT wanted.pool, wanted.total
FROM unnest(%(pool)b::text[], %(total)b::integer[]) AS wanted (pool, total)
WHERE NOT EXISTS (
    SELECT FROM pools WHERE pools.pool = wanted.pool AND pools.total IS NOT DISTINCT FROM wanted.total
)
ORDER BY wanted.pool
ON CONFLICT (pool) DO UPDATE SET total = excluded.total;
