-- Notifications, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM notification_rows
  WHERE (at, notification_id) < (:at, :before)
    AND (:namespace IS NULL OR namespace = :namespace)
    AND (:subscription_id IS NULL OR subscription_id = :subscription_id)
    AND (:run_id IS NULL OR run_id = :run_id)
    AND (:dead IS NULL OR (dead_at IS NOT NULL) = :dead)
    AND (:delivered IS NULL OR (delivered_at IS NOT NULL) = :delivered)
  ORDER BY at DESC, notification_id DESC
  LIMIT :limit
)
