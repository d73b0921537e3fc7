-- The compensations of some runs.
DELETE FROM compensations WHERE run_id IN (SELECT value FROM json_each(:rows))
