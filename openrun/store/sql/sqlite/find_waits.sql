-- Waits whose ids are from one on, before another.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM wait_rows
  WHERE wait_id >= :first AND wait_id < :beyond
    AND (:namespace IS NULL OR EXISTS (SELECT 1 FROM runs AS r WHERE r.run_id = wait_rows.run_id AND r.namespace = :namespace))
  ORDER BY wait_id, run_id
  LIMIT :limit
)
