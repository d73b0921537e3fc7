-- Open waits, oldest first.
SELECT wait_id, run_id, step_id, scope, kind, name, correlation, title, ask, created_at, expires_at, closed_at,
    outcome
FROM waits
WHERE closed_at IS NULL
    AND (created_at, wait_id) > (%(at)s, %(after)s)
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = waits.run_id) = %(namespace)s
    )
ORDER BY created_at, wait_id
LIMIT %(limit)s;
