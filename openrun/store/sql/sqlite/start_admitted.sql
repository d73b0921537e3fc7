-- Runs that may start; one with a priority is taken as if it had been due before.
UPDATE runs SET due_at = :now - (t.queued_at - t.turn), hold = NULL
FROM json_each(:rows) AS s CROSS JOIN tickets AS t ON t.run_id = s.value
WHERE runs.run_id = s.value
