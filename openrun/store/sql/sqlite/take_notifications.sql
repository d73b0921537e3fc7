-- Notifications that somebody tries.
UPDATE notifications SET due_at = :until, attempts = attempts + 1
WHERE notification_id IN (SELECT value FROM json_each(:rows))
