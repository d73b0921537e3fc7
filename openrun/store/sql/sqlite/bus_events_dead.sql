-- Events that were given up, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM bus_event_rows
  WHERE number < :before
    AND dead_at IS NOT NULL
    AND (:namespace IS NULL OR namespace = :namespace)
    AND (:type IS NULL OR type = :type)
  ORDER BY number DESC
  LIMIT :limit
)
