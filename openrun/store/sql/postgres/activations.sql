-- Where a run's activations stand, by the last event about them.
SELECT run_id, step_id, scope, status, attempt, seq, started_at, due_at, ended_at, error
FROM activations
WHERE run_id = %(run_id)s AND seq > %(after)s
ORDER BY seq, step_id, scope
LIMIT %(limit)s;
