-- The runs that a worker holds.
SELECT run_id, flow_id, version, namespace, status, trigger, parent_run_id, replay_of, depth, created_at,
    updated_at, ended_at, error, seq, bytes, hash, worker, fence, due_at, crashes, hold
FROM runs
WHERE worker = %(worker)s
ORDER BY run_id;
