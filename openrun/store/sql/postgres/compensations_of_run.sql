-- All compensations of a run, by the last event about them.
SELECT run_id, step_id, scope, status, seq, error, started_at, ended_at, resolution, note, by
FROM compensations
WHERE run_id = %(run_id)s
ORDER BY seq, step_id, scope;
