-- Waits whose ids begin so; see find.
SELECT wait_id, run_id, step_id, scope, kind, name, correlation, title, ask, created_at, expires_at, closed_at,
    outcome
FROM waits
WHERE wait_id >= %(prefix)s AND wait_id < %(prefix)s || U&'\+10FFFF'
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = waits.run_id) = %(namespace)s
    )
ORDER BY wait_id, run_id
LIMIT %(limit)s;
