-- All compensations of a run, by the last event about them.
SELECT run_id, step_id, scope, status, seq, error, started_at, ended_at, resolution, note, by
FROM compensations
WHERE run_id = %(run_id)s
    AND (
        %(namespace)s::text IS NULL
        OR (SELECT runs.namespace FROM runs WHERE runs.run_id = compensations.run_id) = %(namespace)s
    )
ORDER BY seq, step_id, scope;
