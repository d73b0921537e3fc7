-- Notifications that were delivered long ago, the oldest first.
DELETE FROM notifications
WHERE notification_id IN (
    SELECT notification_id FROM notifications WHERE delivered_at < %(before)s ORDER BY delivered_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
);
