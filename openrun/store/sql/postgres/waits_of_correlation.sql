-- Open waits of a name and a correlation, oldest first; asked for as a range, see runs_by_status.
SELECT wait_id, run_id, step_id, scope, kind, name, correlation, title, ask, created_at, expires_at, closed_at,
    outcome
FROM waits
WHERE closed_at IS NULL AND subject IS NOT NULL
    AND (subject, created_at, wait_id) > (%(subject)b::bytea, %(at)s::bigint, %(after)s)
    AND subject <= %(subject)b::bytea
    AND name = %(name)s AND correlation = %(correlation)s
    AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s))
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = waits.run_id) = %(namespace)s
    )
ORDER BY subject, created_at, wait_id
LIMIT %(limit)s;
