-- A new subscription.
INSERT INTO subscriptions (
  subscription_id, namespace, url, types, flow_id, secret, description, created_at, disabled_at, disabled_reason
)
VALUES (
  :subscription_id, :namespace, :url, :types, :flow_id, :secret, :description, :created_at, :disabled_at, :disabled_reason
)
ON CONFLICT (subscription_id) DO NOTHING
