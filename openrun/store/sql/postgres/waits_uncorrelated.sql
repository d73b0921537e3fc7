-- Open waits of a name that have no correlation, oldest first; asked for as a range, see runs_by_status.
SELECT wait_id, run_id, step_id, scope, kind, name, correlation, title, ask, created_at, expires_at, closed_at,
    outcome
FROM waits
WHERE closed_at IS NULL AND subject IS NULL
    AND (topic, created_at, wait_id) > (%(topic)b::bytea, %(at)s::bigint, %(after)s)
    AND topic <= %(topic)b::bytea
    AND name = %(name)s
    AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s))
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = waits.run_id) = %(namespace)s
    )
ORDER BY topic, created_at, wait_id
LIMIT %(limit)s;
