-- Open waits, oldest first.
SELECT wait_id, run_id, step_id, scope, kind, name, correlation, title, ask, created_at, expires_at, closed_at,
    outcome
FROM waits
WHERE closed_at IS NULL
    AND (created_at, wait_id) > (%(at)s, %(after)s)
ORDER BY created_at, wait_id
LIMIT %(limit)s;
