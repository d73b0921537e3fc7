-- Compensations that are over without success and wait for a person, newest first.
SELECT run_id, step_id, scope, status, seq, error, started_at, ended_at, resolution, note, by
FROM compensations
WHERE resolution IS NULL AND ended_at IS NOT NULL AND status <> 'completed'
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = compensations.run_id) = %(namespace)s
    )
ORDER BY ended_at DESC, run_id DESC, seq DESC
LIMIT %(limit)s;
