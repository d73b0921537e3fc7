-- Events that are done with.
UPDATE bus_events SET due_at = NULL, handled_at = coalesce(handled_at, :now), dead_at = NULL
WHERE number IN (SELECT value FROM json_each(:rows))
