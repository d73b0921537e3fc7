-- Ticks of a schedule, newest first.
SELECT namespace, flow_id, trigger, tick, outcome, run_id, decided_at, reason, backfilled
FROM ticks
WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND trigger = %(trigger)s
    AND tick < coalesce(%(before)s, 9223372036854775807) AND tick >= coalesce(%(since)s, -9223372036854775808)
    AND (%(outcome)s::text[] IS NULL OR outcome = ANY (%(outcome)s))
ORDER BY tick DESC
LIMIT %(limit)s;
