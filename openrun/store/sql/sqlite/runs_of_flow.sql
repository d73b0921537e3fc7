-- Runs of a flow, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM run_rows
  WHERE run_id < :before
    AND flow_id = :flow_id
    AND (:held IS NULL OR (hold IS NOT NULL) = :held)
  ORDER BY run_id DESC
  LIMIT :limit
)
