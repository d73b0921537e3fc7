-- Subscriptions by their age.
SELECT json_group_array(json(shown)) FROM (SELECT shown FROM subscription_rows ORDER BY created_at, number)
