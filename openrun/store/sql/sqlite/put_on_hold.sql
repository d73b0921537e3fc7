-- Why a run that nobody holds does not go on.
UPDATE runs SET hold = :reason, due_at = :due_at
WHERE run_id = :run_id AND worker IS NULL AND status NOT IN ('succeeded', 'failed', 'cancelled', 'aborted')
