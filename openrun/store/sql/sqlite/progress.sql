-- What steps of a run reported, in order.
SELECT json_group_array(json_object(
  'run_id', run_id, 'step_id', step_id, 'scope', scope, 'attempt', attempt, 'at', at, 'data', data, 'number', number
))
FROM (SELECT * FROM progress WHERE run_id = :run_id AND number > :after ORDER BY number LIMIT :limit)
