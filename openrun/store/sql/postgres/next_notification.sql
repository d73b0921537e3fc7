-- When the next notification is to be tried: the first of each subscriber, then the first of all.
SELECT min(first.due_at)
FROM subscriptions
CROSS JOIN LATERAL (
    SELECT due_at FROM notifications
    WHERE notifications.subscription_id = subscriptions.subscription_id AND due_at IS NOT NULL
    ORDER BY due_at
    LIMIT 1
) AS first
WHERE subscriptions.disabled_at IS NULL;
