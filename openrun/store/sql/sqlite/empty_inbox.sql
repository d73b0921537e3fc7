-- Runs that have ended listen to nobody.
DELETE FROM inbox WHERE run_id IN (SELECT value FROM json_each(:rows))
