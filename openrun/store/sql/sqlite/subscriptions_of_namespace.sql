-- Subscriptions of a namespace by their age.
SELECT json_group_array(json(shown))
FROM (SELECT shown FROM subscription_rows WHERE namespace = :namespace ORDER BY created_at, number)
