-- Lanes that wait for room in their pools, of each pool so many as it has room for, those that were served longest ago
-- first.
SELECT those.lane, roomy.pool
FROM unnest(%(pool)b::text[], %(room)b::bigint[]) AS roomy (pool, room)
CROSS JOIN LATERAL (
    SELECT lanes.lane FROM lanes
    WHERE lanes.blocked AND lanes.pool = roomy.pool
    ORDER BY lanes.served, lanes.lane
    LIMIT roomy.room
) AS those;
