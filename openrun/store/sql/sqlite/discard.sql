-- Take a dead letter away.
DELETE FROM dead_letters WHERE run_id = :run_id
