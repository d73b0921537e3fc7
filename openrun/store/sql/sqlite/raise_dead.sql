-- Dead letters that were replayed with success.
DELETE FROM dead_letters WHERE run_id IN (SELECT value FROM json_each(:rows))
