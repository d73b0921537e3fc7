-- When the next schedule wants to be looked at.
SELECT CAST(due_at AS TEXT) FROM schedules WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1
