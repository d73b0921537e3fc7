-- Notifications that are to be tried, so many of each subscription, those that are due longest first.
SELECT json_group_array(notification_id)
FROM (
  SELECT n.notification_id
  FROM subscriptions AS s CROSS JOIN notifications AS n
  WHERE s.disabled_at IS NULL
    AND s.subscription_id NOT IN (SELECT value FROM json_each(:without))
    AND n.notification_id IN (
      SELECT notification_id FROM notifications
      WHERE subscription_id = s.subscription_id AND due_at IS NOT NULL AND due_at <= :now
      ORDER BY due_at, notification_id
      LIMIT :each
    )
  ORDER BY n.due_at, n.notification_id
  LIMIT :most
)
