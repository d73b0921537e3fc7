-- Notifications of a namespace, newest first; asked for as a range, see runs_by_status.
SELECT notification_id, subscription_id, namespace, run_id, flow_id, seq, type, at, data, attempts, due_at, delivered_at,
    dead_at, last_status, error
FROM notifications
WHERE (namespace, at, notification_id) < (
        %(namespace)s, coalesce(%(at)s, 9223372036854775807), coalesce(%(before)s, '')
    )
    AND (namespace, at, notification_id) > (%(namespace)s, -1, '')
    AND (%(dead)s::boolean IS NULL OR (dead_at IS NOT NULL) = %(dead)s)
    AND (%(delivered)s::boolean IS NULL OR (delivered_at IS NOT NULL) = %(delivered)s)
ORDER BY namespace DESC, at DESC, notification_id DESC
LIMIT %(limit)s;
