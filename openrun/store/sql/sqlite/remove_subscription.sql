-- A subscription goes.
DELETE FROM subscriptions WHERE subscription_id = :subscription_id
