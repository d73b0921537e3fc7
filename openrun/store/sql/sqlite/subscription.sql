-- One subscription.
SELECT shown FROM subscription_rows WHERE subscription_id = :subscription_id
