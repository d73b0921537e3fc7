-- API keys, newest first; they are few.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM key_rows
  WHERE :namespace IS NULL OR namespace = :namespace
  ORDER BY created_at DESC, key_id DESC
)
