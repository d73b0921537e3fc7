-- Events that somebody takes.
UPDATE bus_events SET due_at = :until, attempts = attempts + 1 WHERE number IN (SELECT value FROM json_each(:rows))
