-- Runs of a namespace, newest first; asked for as a range, see runs_by_status.
SELECT run_id, flow_id, version, namespace, status, trigger, parent_run_id, replay_of, depth, created_at,
    updated_at, ended_at, error, seq, bytes, hash, worker, fence, due_at, crashes, hold
FROM runs
WHERE (namespace, run_id) < (%(namespace)s, coalesce(%(before)s, U&'\+10FFFF'))
    AND (namespace, run_id) >= (%(namespace)s, '')
    AND (%(held)s::boolean IS NULL OR (hold IS NOT NULL AND NOT starts_with(hold, 'queued:')) = %(held)s)
ORDER BY namespace DESC, run_id DESC
LIMIT %(limit)s;
