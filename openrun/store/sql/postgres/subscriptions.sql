-- Subscriptions by their creation.
SELECT subscription_id, namespace, url, types, flow_id, secret, description, created_at, disabled_at, disabled_reason
FROM subscriptions
WHERE %(namespace)s::text IS NULL OR namespace = %(namespace)s
ORDER BY created_at, number;
