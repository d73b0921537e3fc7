-- Runs that nobody else is busy with, and why they are held back; nobody else changes them until this transaction ends.
SELECT run_id, hold, status IN ('succeeded', 'failed', 'cancelled', 'aborted')
FROM runs
WHERE run_id = ANY (%(run_ids)s)
FOR UPDATE SKIP LOCKED;
