-- Runs that ended before an instant, oldest first, whose parent has ended too or is gone.
SELECT run_id, flow_id, version, namespace, status, trigger, parent_run_id, replay_of, depth, created_at,
    updated_at, ended_at, error, seq, bytes, hash, worker, fence, due_at, crashes, hold
FROM runs
WHERE ended_at < %(instant)s
    AND NOT EXISTS (
        SELECT FROM runs AS parent
        WHERE parent.run_id = runs.parent_run_id
            AND parent.status NOT IN ('succeeded', 'failed', 'cancelled', 'aborted')
    )
ORDER BY ended_at, run_id
LIMIT %(limit)s;
