-- Whether a subscription is told anything, and why it is not.
UPDATE subscriptions SET disabled_at = %(at)s, disabled_reason = %(reason)s
WHERE subscription_id = %(subscription_id)s;
