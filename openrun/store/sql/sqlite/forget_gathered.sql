-- Gathered events whose time is over, some at a time.
DELETE FROM gathered
WHERE number IN (SELECT number FROM gathered WHERE expires_at < :before ORDER BY expires_at LIMIT :limit)
