-- A subscription goes; this waits for those who make notifications for it.
DELETE FROM subscriptions WHERE subscription_id = %(subscription_id)s;
