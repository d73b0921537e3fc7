-- The activations of some runs.
DELETE FROM activations WHERE run_id IN (SELECT value FROM json_each(:rows))
