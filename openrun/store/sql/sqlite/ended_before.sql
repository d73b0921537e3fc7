-- Runs that ended before an instant, oldest first, and whose parents have ended or are gone.
SELECT json_group_array(json(shown))
FROM (
  SELECT r.shown
  FROM run_rows AS r LEFT JOIN runs AS p ON p.run_id = r.parent_run_id
  WHERE r.ended_at IS NOT NULL
    AND r.ended_at < :instant
    AND (p.run_id IS NULL OR p.status IN ('succeeded', 'failed', 'cancelled', 'aborted'))
  ORDER BY r.ended_at, r.run_id
  LIMIT :limit
)
