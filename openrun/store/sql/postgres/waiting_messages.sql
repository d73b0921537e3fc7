-- Messages that wait for these runs.
SELECT number, run_id, kind, key, body
FROM inbox
WHERE run_id = ANY (%(run_ids)s) AND taken_seq IS NULL
ORDER BY number;
