-- Runs that have made progress again.
UPDATE runs SET crashes = 0 WHERE run_id IN (SELECT value FROM json_each(:rows))
