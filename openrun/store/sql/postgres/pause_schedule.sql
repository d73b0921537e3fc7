-- A schedule is paused, or goes on, and is to be looked at now; one that is as it should be stays so.
UPDATE schedules SET
    paused_at = %(at)s, paused_by = %(by)s, due_at = least(due_at, clock.now), revision = revision + 1
FROM (SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS clock
WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND trigger = %(trigger)s
    AND (paused_at IS NULL) <> (%(at)s::bigint IS NULL);
