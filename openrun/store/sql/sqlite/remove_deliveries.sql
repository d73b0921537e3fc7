-- What started some runs.
DELETE FROM deliveries WHERE run_id IN (SELECT value FROM json_each(:rows))
