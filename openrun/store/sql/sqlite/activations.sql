-- Where a run's activations stand, by the last event about them.
SELECT json_group_array(json_object(
  'run_id', run_id, 'step_id', step_id, 'scope', scope, 'status', status, 'attempt', attempt, 'seq', seq,
  'started_at', started_at, 'due_at', due_at, 'ended_at', ended_at, 'error', error
))
FROM (SELECT * FROM activations WHERE run_id = :run_id AND seq > :after ORDER BY seq LIMIT :limit)
