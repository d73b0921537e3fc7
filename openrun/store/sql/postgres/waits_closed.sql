-- Waits that are over, oldest first.
SELECT wait_id, run_id, step_id, scope, kind, name, correlation, title, ask, created_at, expires_at, closed_at,
    outcome
FROM waits
WHERE closed_at IS NOT NULL
    AND (created_at, wait_id) > (%(at)s, %(after)s)
    AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s))
    AND (%(name)s::text IS NULL OR name = %(name)s)
    AND (%(correlation)s::text IS NULL OR correlation = %(correlation)s)
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = waits.run_id) = %(namespace)s
    )
ORDER BY created_at, wait_id
LIMIT %(limit)s;
