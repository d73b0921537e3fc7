-- Runs nobody will ever look after.
SELECT json_group_array(run_id)
FROM (
  SELECT run_id FROM runs
  WHERE worker IS NULL AND due_at IS NULL AND hold IS NULL AND status IN ('pending', 'running')
  ORDER BY run_id
  LIMIT :limit
)
