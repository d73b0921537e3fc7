-- Runs that nobody will ever look after.
SELECT run_id
FROM runs
WHERE status IN ('pending', 'running') AND worker IS NULL AND due_at IS NULL AND hold IS NULL
ORDER BY run_id
LIMIT %(limit)s;
