-- The journals of runs that have gone.
DELETE FROM events WHERE run_id IN (SELECT value FROM json_each(:rows))
