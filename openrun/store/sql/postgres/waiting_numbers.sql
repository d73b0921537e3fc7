-- Which messages wait for these runs.
SELECT run_id, number
FROM inbox
WHERE run_id = ANY (%(run_ids)s) AND taken_seq IS NULL;
