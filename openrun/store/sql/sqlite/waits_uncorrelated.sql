-- Open waits of a name that have no correlation, oldest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM wait_rows
  WHERE closed_at IS NULL
    AND correlation IS NULL
    AND name = :name
    AND (created_at, wait_id) > (:at, :after)
    AND (:namespace IS NULL OR EXISTS (SELECT 1 FROM runs AS r WHERE r.run_id = wait_rows.run_id AND r.namespace = :namespace))
    AND (:kinds IS NULL OR kind IN (SELECT value FROM json_each(:kinds)))
  ORDER BY created_at, wait_id
  LIMIT :limit
)
