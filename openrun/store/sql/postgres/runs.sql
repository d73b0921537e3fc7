-- Runs, newest first.
SELECT run_id, flow_id, version, namespace, status, trigger, parent_run_id, replay_of, depth, created_at,
    updated_at, ended_at, error, seq, bytes, hash, worker, fence, due_at, crashes, hold
FROM runs
WHERE (%(parent_run_id)s::text IS NULL OR parent_run_id = %(parent_run_id)s)
    AND (%(status)s::text[] IS NULL OR status = ANY (%(status)s))
    AND (%(flow_id)s::text IS NULL OR flow_id = %(flow_id)s)
    AND (%(namespace)s::text IS NULL OR namespace = %(namespace)s)
    AND (%(held)s::boolean IS NULL OR (hold IS NOT NULL AND NOT starts_with(hold, 'queued:')) = %(held)s)
    AND (%(before)s::text IS NULL OR run_id < %(before)s)
ORDER BY run_id DESC
LIMIT %(limit)s;
