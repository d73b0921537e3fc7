-- Notifications that were delivered, some at a time.
DELETE FROM notifications
WHERE notification_id IN (
  SELECT notification_id FROM notifications
  WHERE delivered_at IS NOT NULL AND delivered_at < :before
  ORDER BY delivered_at
  LIMIT :limit
)
