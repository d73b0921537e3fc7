-- Notifications of a subscriber, newest first; asked for as a range, see runs_by_status.
SELECT notification_id, subscription_id, namespace, run_id, flow_id, seq, type, at, data, attempts, due_at, delivered_at,
    dead_at, last_status, error
FROM notifications
WHERE (subscription_id, at, notification_id) < (
        %(subscription_id)s, coalesce(%(at)s, 9223372036854775807), coalesce(%(before)s, '')
    )
    AND (subscription_id, at, notification_id) > (%(subscription_id)s, -1, '')
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s)
    AND (%(dead)s::boolean IS NULL OR (dead_at IS NOT NULL) = %(dead)s)
    AND (%(delivered)s::boolean IS NULL OR (delivered_at IS NOT NULL) = %(delivered)s)
ORDER BY subscription_id DESC, at DESC, notification_id DESC
LIMIT %(limit)s;
