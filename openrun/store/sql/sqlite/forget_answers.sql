-- Answers whose time is over, some at a time.
DELETE FROM kept_answers
WHERE (scope, key) IN (SELECT scope, key FROM kept_answers WHERE expires_at <= :now LIMIT 100)
