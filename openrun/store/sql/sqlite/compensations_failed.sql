-- Compensations that are over without success and wait for a person, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM compensation_rows
  WHERE resolution IS NULL AND ended_at IS NOT NULL AND status <> 'completed'
    AND (:namespace IS NULL OR EXISTS (SELECT 1 FROM runs AS r WHERE r.run_id = compensation_rows.run_id AND r.namespace = :namespace))
  ORDER BY ended_at DESC, run_id DESC, seq DESC
  LIMIT :limit
)
