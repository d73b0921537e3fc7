-- What was told of some runs, or given up; what is still to be told stays.
DELETE FROM notifications WHERE due_at IS NULL AND run_id IN (SELECT value FROM json_each(:rows))
