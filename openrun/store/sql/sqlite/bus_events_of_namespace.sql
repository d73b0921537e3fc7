-- Events of a namespace, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM bus_event_rows
  WHERE number < :before
    AND namespace = :namespace
    AND (:dead IS NULL OR (dead_at IS NOT NULL) = :dead)
  ORDER BY number DESC
  LIMIT :limit
)
