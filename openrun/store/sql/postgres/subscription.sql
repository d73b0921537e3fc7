-- A subscription.
SELECT subscription_id, namespace, url, types, flow_id, secret, description, created_at, disabled_at, disabled_reason
FROM subscriptions
WHERE subscription_id = %(subscription_id)s;
