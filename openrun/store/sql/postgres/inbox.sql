-- Messages that wait for the runs a worker holds.
SELECT inbox.number, inbox.run_id, inbox.kind, inbox.key, inbox.body
FROM inbox JOIN runs USING (run_id)
WHERE inbox.taken_seq IS NULL AND runs.worker = %(worker)s
ORDER BY inbox.number;
