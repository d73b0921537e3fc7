-- Lanes that runs have joined, as the newest birth wants them; a new one is served after those that are there.
INSERT INTO lanes (lane, pool, namespace, flow_id, key, rules, served, ready_at, burst_at)
SELECT joined.lane, joined.pool, joined.namespace, joined.flow_id, joined.key, joined.rules,
    coalesce(pools.turns, 0) + 1, %(now)s, %(now)s
FROM unnest(
    %(lane)b::text[], %(pool)b::text[], %(namespace)b::text[], %(flow_id)b::text[], %(key)b::text[], %(rules)b::text[]
) AS joined (lane, pool, namespace, flow_id, key, rules)
LEFT JOIN pools ON pools.pool = joined.pool
ORDER BY joined.lane
ON CONFLICT (lane) DO UPDATE SET
    key = excluded.key,
    rules = excluded.rules,
    ready_at = least(lanes.ready_at, excluded.ready_at),
    burst_at = coalesce(lanes.burst_at, excluded.burst_at),
    idle_at = NULL;
