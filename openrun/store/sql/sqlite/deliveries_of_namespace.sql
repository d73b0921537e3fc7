-- Deliveries of a namespace, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM delivery_rows
  WHERE run_id < :before AND namespace = :namespace
  ORDER BY run_id DESC
  LIMIT :limit
)
