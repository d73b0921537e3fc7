-- Runs that got a message and that nobody holds.
UPDATE runs SET due_at = :now
WHERE run_id IN (SELECT value FROM json_each(:rows)) AND (due_at IS NULL OR due_at > :now)
