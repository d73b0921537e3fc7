-- Lanes with runs that wait or go on, by namespace, flow and key.
SELECT lanes.lane, lanes.namespace, lanes.flow_id, lanes.key, lanes.rules,
    (SELECT total FROM pools WHERE pools.pool = lanes.pool) AS total,
    (SELECT count(*) FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'running') AS running,
    (SELECT count(*) FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'queued') AS queued,
    (SELECT min(queued_at) FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'queued') AS oldest
FROM (
    SELECT * FROM lanes
    WHERE (%(namespace)s::text IS NULL OR namespace = %(namespace)s)
        AND (%(flow_id)s::text IS NULL OR flow_id = %(flow_id)s)
        AND (namespace, flow_id, key COLLATE "C") > (%(after_namespace)s, %(after_flow)s, %(after_key)s)
        AND (
            EXISTS (SELECT FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'queued')
            OR EXISTS (SELECT FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'running')
        )
    ORDER BY namespace, flow_id, key COLLATE "C", lane
    LIMIT %(limit)s
) AS lanes
ORDER BY namespace, flow_id, key COLLATE "C", lane;
