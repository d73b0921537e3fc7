-- Audit rows, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM audit_rows
  WHERE number < :before
    AND (:actor IS NULL OR actor = :actor)
    AND (:action IS NULL OR action = :action)
  ORDER BY number DESC
  LIMIT :limit
)
