-- Dead letters of a namespace, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM dead_letter_rows
  WHERE namespace = :namespace
  ORDER BY failed_at DESC, run_id DESC
  LIMIT :limit
)
