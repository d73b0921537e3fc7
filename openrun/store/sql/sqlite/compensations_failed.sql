-- Compensations that are over without success and wait for a person, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM compensation_rows
  WHERE resolution IS NULL AND ended_at IS NOT NULL AND status <> 'completed'
  ORDER BY ended_at DESC, run_id DESC, seq DESC
  LIMIT :limit
)
