-- Lanes after they were looked at: an empty one goes once no rate asks for its admissions.
UPDATE lanes SET
    ready_at = seen.ready_at, blocked = seen.blocked, burst_at = seen.burst_at,
    served = coalesce(seen.served, lanes.served),
    idle_at = CASE
        WHEN EXISTS (SELECT FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'queued') THEN NULL
        WHEN EXISTS (SELECT FROM tickets WHERE tickets.lane = lanes.lane AND tickets.state = 'running') THEN NULL
        ELSE %(now)s::bigint + seen.rested_ms
    END
FROM unnest(
    %(lane)b::text[], %(ready_at)b::bigint[], %(blocked)b::boolean[], %(burst_at)b::bigint[], %(served)b::bigint[],
    %(rested_ms)b::bigint[]
) AS seen (lane, ready_at, blocked, burst_at, served, rested_ms)
WHERE lanes.lane = seen.lane;
