-- When the next notification is to be tried.
SELECT CAST(due_at AS TEXT)
FROM (
  SELECT min((
    SELECT min(n.due_at) FROM notifications AS n
    WHERE n.subscription_id = s.subscription_id AND n.due_at IS NOT NULL
  )) AS due_at
  FROM subscriptions AS s
  WHERE s.disabled_at IS NULL
)
WHERE due_at IS NOT NULL
