-- Open waits of a kind, oldest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM wait_rows
  WHERE closed_at IS NULL
    AND kind = :kind
    AND (created_at, wait_id) > (:at, :after)
  ORDER BY created_at, wait_id
  LIMIT :limit
)
