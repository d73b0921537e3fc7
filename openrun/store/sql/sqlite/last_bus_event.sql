-- The number of the newest event.
SELECT CAST(coalesce(max(number), 0) AS TEXT) FROM bus_events
