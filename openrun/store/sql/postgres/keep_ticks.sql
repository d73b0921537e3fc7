-- What became of ticks; one that has fired stays as it is.
INSERT INTO ticks (namespace, flow_id, trigger, tick, outcome, run_id, decided_at, reason, backfilled)
SELECT *
FROM unnest(
    %(namespace)b::text[], %(flow_id)b::text[], %(trigger)b::text[], %(tick)b::bigint[], %(outcome)b::text[],
    %(run_id)b::text[], %(decided_at)b::bigint[], %(reason)b::text[], %(backfilled)b::boolean[]
)
ON CONFLICT (namespace, flow_id, trigger, tick) DO UPDATE SET
    outcome = excluded.outcome, run_id = excluded.run_id, decided_at = excluded.decided_at, reason = excluded.reason,
    backfilled = excluded.backfilled
WHERE ticks.outcome <> 'fired';
