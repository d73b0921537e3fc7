-- The effects of some runs.
DELETE FROM effects WHERE run_id IN (SELECT value FROM json_each(:rows))
