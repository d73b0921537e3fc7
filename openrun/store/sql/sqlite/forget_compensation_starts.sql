-- When the compensations of a run started is to be told anew.
UPDATE compensations SET started_at = NULL WHERE run_id = :run_id
