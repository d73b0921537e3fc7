-- Events that were handled, some at a time.
DELETE FROM bus_events
WHERE number IN (
  SELECT number FROM bus_events WHERE handled_at IS NOT NULL AND handled_at < :before ORDER BY handled_at LIMIT :limit
)
