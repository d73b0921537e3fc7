-- Runs of a namespace, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM run_rows
  WHERE run_id < :before
    AND namespace = :namespace
    AND (:held IS NULL OR (hold IS NOT NULL AND substr(hold, 1, 7) <> 'queued:') = :held)
  ORDER BY run_id DESC
  LIMIT :limit
)
