-- A notification that is over is to be tried again.
UPDATE notifications SET due_at = %(now)s, delivered_at = NULL, dead_at = NULL, attempts = 0
WHERE notification_id = %(notification_id)s AND due_at IS NULL;
