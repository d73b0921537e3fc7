-- Where these runs stand; nobody else changes them until this transaction ends. Locked in the order of their ids, so that
-- two transactions never wait for each other.
SELECT run_id, flow_id, parent_run_id, replay_of, status, updated_at, ended_at, error, seq, bytes, hash, worker,
    fence, due_at, crashes, hold
FROM runs
WHERE run_id = ANY (%(run_ids)s)
ORDER BY run_id
FOR UPDATE;
