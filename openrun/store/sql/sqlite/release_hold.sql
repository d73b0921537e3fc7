-- Runs that no queue holds any more.
UPDATE runs SET hold = NULL WHERE run_id IN (SELECT value FROM json_each(:rows))
