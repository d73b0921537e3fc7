-- A notification that is over is tried again.
UPDATE notifications SET due_at = :now, attempts = 0, delivered_at = NULL, dead_at = NULL
WHERE notification_id = :notification_id AND due_at IS NULL
