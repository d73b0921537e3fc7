-- What was told of a run, newest first.
SELECT notification_id, subscription_id, namespace, run_id, flow_id, seq, type, at, data, attempts, due_at, delivered_at,
    dead_at, last_status, error
FROM notifications
WHERE run_id = %(run_id)s
    AND (at, notification_id) < (coalesce(%(at)s, 9223372036854775807), coalesce(%(before)s, ''))
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s)
    AND (%(subscription_id)s::text IS NULL OR subscription_id = %(subscription_id)s)
    AND (%(dead)s::boolean IS NULL OR (dead_at IS NOT NULL) = %(dead)s)
    AND (%(delivered)s::boolean IS NULL OR (delivered_at IS NOT NULL) = %(delivered)s)
ORDER BY at DESC, notification_id DESC
LIMIT %(limit)s;
