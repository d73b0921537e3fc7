-- A notification.
SELECT notification_id, subscription_id, namespace, run_id, flow_id, seq, type, at, data, attempts, due_at, delivered_at,
    dead_at, last_status, error
FROM notifications
WHERE notification_id = %(notification_id)s;
