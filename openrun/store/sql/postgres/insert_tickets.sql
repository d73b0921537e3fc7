-- Tickets of runs that are born in a queue.
INSERT INTO tickets (run_id, lane, pool, turn, queued_at, state)
SELECT run_id, lane, pool, %(now)s::bigint - ahead, %(now)s, 'queued'
FROM unnest(%(run_id)b::text[], %(lane)b::text[], %(pool)b::text[], %(ahead)b::bigint[])
    AS born (run_id, lane, pool, ahead);
