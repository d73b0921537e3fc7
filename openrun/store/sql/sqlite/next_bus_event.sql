-- When the next event becomes due.
SELECT CAST(due_at AS TEXT) FROM bus_events WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1
