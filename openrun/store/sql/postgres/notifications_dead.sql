-- Notifications that were given up, newest first.
SELECT notification_id, subscription_id, namespace, run_id, flow_id, seq, type, at, data, attempts, due_at, delivered_at,
    dead_at, last_status, error
FROM notifications
WHERE dead_at IS NOT NULL
    AND (at, notification_id) < (coalesce(%(at)s, 9223372036854775807), coalesce(%(before)s, ''))
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s)
    AND (%(delivered)s::boolean IS NULL OR (delivered_at IS NOT NULL) = %(delivered)s)
ORDER BY at DESC, notification_id DESC
LIMIT %(limit)s;
