-- Whether anybody wants to be told of anything.
SELECT CAST(EXISTS (SELECT 1 FROM subscriptions) AS TEXT)
