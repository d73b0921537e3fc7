-- Open waits of a kind, oldest first; asked for as a range, see runs_by_status.
SELECT wait_id, run_id, step_id, scope, kind, name, correlation, title, ask, created_at, expires_at, closed_at,
    outcome
FROM waits
WHERE closed_at IS NULL
    AND (kind, created_at, wait_id) > (%(kind)s, %(at)s::bigint, %(after)s)
    AND kind <= %(kind)s
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = waits.run_id) = %(namespace)s
    )
ORDER BY kind, created_at, wait_id
LIMIT %(limit)s;
