-- The delivery that started a run.
SELECT shown FROM delivery_rows WHERE run_id = :run_id
