-- One run.
SELECT run_id, flow_id, version, namespace, status, trigger, parent_run_id, replay_of, depth, created_at,
    updated_at, ended_at, error, seq, bytes, hash, worker, fence, due_at, crashes, hold
FROM runs
WHERE run_id = %(run_id)s;
