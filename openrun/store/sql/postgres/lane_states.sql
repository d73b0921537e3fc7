-- Lanes as they stand, with the beginnings of their queues.
SELECT lanes.lane, lanes.pool, lanes.flow_id, lanes.key, lanes.rules, lanes.served, lanes.burst_at,
    CASE WHEN its.limited THEN (
        SELECT count(*) FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'running'
    ) ELSE 0 END AS running,
    CASE WHEN its.preempting THEN (
        SELECT count(*) FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'running' AND tickets.told
    ) ELSE 0 END AS told,
    CASE WHEN its.preempting THEN ARRAY(
        SELECT run_id FROM tickets
        WHERE tickets.lane = lanes.lane AND tickets.state = 'running' AND NOT tickets.told
        ORDER BY tickets.admitted_at, tickets.run_id
        LIMIT %(most)s
    ) ELSE ARRAY[]::text[] END AS oldest,
    (SELECT count(*) FROM admissions WHERE admissions.lane = lanes.lane AND admissions.at > its.since) AS started,
    (SELECT min(at) FROM admissions WHERE admissions.lane = lanes.lane AND admissions.at > its.since) AS first_start,
    queue.run_ids, queue.turns, queue.queued_ats,
    newest.run_id, newest.turn, newest.queued_at
FROM lanes
CROSS JOIN LATERAL (
    SELECT rules ->> 'limit' IS NOT NULL AS limited, rules ->> 'at_limit' = 'cancel_running' AS preempting,
        %(now)s::bigint - coalesce((rules ->> 'period_ms')::bigint, 0) AS since
    FROM (SELECT lanes.rules::json) AS said (rules)
) AS its
CROSS JOIN LATERAL (
    SELECT coalesce(array_agg(run_id ORDER BY turn, run_id), ARRAY[]::text[]) AS run_ids,
        coalesce(array_agg(turn ORDER BY turn, run_id), ARRAY[]::bigint[]) AS turns,
        coalesce(array_agg(queued_at ORDER BY turn, run_id), ARRAY[]::bigint[]) AS queued_ats
    FROM (
        SELECT run_id, turn, queued_at FROM tickets
        WHERE tickets.lane = lanes.lane AND tickets.state = 'queued'
        ORDER BY turn, run_id
        LIMIT %(most)s
    ) AS first
) AS queue
LEFT JOIN LATERAL (
    SELECT run_id, turn, queued_at FROM tickets
    WHERE tickets.lane = lanes.lane AND tickets.state = 'queued'
    ORDER BY queued_at DESC, run_id DESC
    LIMIT 1
) AS newest ON true
WHERE lanes.lane = ANY (%(lanes)s)
ORDER BY lanes.served, lanes.lane;
