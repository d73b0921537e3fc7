-- A new subscription.
INSERT INTO subscriptions (
    subscription_id, namespace, url, types, flow_id, secret, description, created_at, disabled_at, disabled_reason
)
VALUES (
    %(subscription_id)s, %(namespace)s, %(url)s, %(types)s, %(flow_id)s, %(secret)s, %(description)s, %(created_at)s,
    %(disabled_at)s, %(disabled_reason)s
)
ON CONFLICT (subscription_id) DO NOTHING;
