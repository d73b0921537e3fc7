-- When the next run that nobody holds becomes due.
SELECT CAST(due_at AS TEXT) FROM runs WHERE worker IS NULL AND due_at IS NOT NULL ORDER BY due_at LIMIT 1
