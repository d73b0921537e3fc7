-- One dead letter.
SELECT shown FROM dead_letter_rows WHERE run_id = :run_id
