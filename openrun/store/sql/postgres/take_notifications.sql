-- Notifications that are due, some of each subscriber, those that are due longest first; what others are busy with is
-- passed over.
WITH due AS MATERIALIZED (
    SELECT those.notification_id, those.since
    FROM subscriptions
    CROSS JOIN LATERAL (
        SELECT notifications.notification_id, notifications.due_at AS since
        FROM notifications
        WHERE notifications.subscription_id = subscriptions.subscription_id AND notifications.due_at <= %(now)s
        ORDER BY notifications.due_at, notifications.notification_id
        LIMIT %(each)s
        FOR UPDATE SKIP LOCKED
    ) AS those
    WHERE subscriptions.disabled_at IS NULL AND subscriptions.subscription_id <> ALL (%(without)s)
), chosen AS (
    SELECT notification_id, since FROM due ORDER BY since, notification_id LIMIT %(most)s
), taken AS (
    UPDATE notifications SET due_at = %(now)s::bigint + %(lease_ms)s, attempts = notifications.attempts + 1
    FROM chosen
    WHERE notifications.notification_id = chosen.notification_id
    RETURNING notifications.*, chosen.since
)
SELECT notification_id, subscription_id, namespace, run_id, flow_id, seq, type, at, data, attempts, due_at, delivered_at,
    dead_at, last_status, error
FROM taken
ORDER BY since, notification_id;
