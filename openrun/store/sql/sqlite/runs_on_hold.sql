-- Runs that do not go on for a reason, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM run_rows
  WHERE run_id < :before
    AND hold IS NOT NULL AND substr(hold, 1, 7) <> 'queued:'
    AND (:namespace IS NULL OR namespace = :namespace)
    AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
    AND (:flow_id IS NULL OR flow_id = :flow_id)
  ORDER BY run_id DESC
  LIMIT :limit
)
