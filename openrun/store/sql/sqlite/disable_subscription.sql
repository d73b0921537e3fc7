-- A subscription is told nothing more, or again.
UPDATE subscriptions SET disabled_at = :at, disabled_reason = :reason WHERE subscription_id = :subscription_id
