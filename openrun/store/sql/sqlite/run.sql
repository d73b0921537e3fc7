-- One run.
SELECT shown FROM run_rows WHERE run_id = :run_id
