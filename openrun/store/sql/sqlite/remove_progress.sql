-- What some runs reported.
DELETE FROM progress WHERE run_id IN (SELECT value FROM json_each(:rows))
