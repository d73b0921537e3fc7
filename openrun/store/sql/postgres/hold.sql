-- Why a run that nobody holds does not go on.
UPDATE runs SET hold = %(reason)s, due_at = %(due_at)s
WHERE run_id = %(run_id)s AND worker IS NULL AND status NOT IN ('succeeded', 'failed', 'cancelled', 'aborted');
