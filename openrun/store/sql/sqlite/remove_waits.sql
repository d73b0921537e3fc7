-- What some runs waited for.
DELETE FROM waits WHERE run_id IN (SELECT value FROM json_each(:rows))
