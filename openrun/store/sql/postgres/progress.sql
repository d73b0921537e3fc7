-- What steps of a run reported, in order.
SELECT run_id, step_id, scope, attempt, at, data, number
FROM progress
WHERE run_id = %(run_id)s AND number > %(after)s
ORDER BY number
LIMIT %(limit)s;
