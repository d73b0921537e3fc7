-- Runs of a flow and of some statuses, newest first; see runs_by_status.
SELECT newest.*
FROM unnest(%(status)s::text[]) AS wanted (status)
CROSS JOIN LATERAL (
    SELECT run_id, flow_id, version, runs.status, trigger, parent_run_id, replay_of, depth, created_at, updated_at,
        ended_at, error, seq, bytes, hash, worker, fence, due_at, crashes, hold
    FROM runs
    WHERE (runs.flow_id, runs.status, runs.run_id) < (%(flow_id)s, wanted.status, coalesce(%(before)s, U&'\+10FFFF'))
        AND (runs.flow_id, runs.status, runs.run_id) >= (%(flow_id)s, wanted.status, '')
        AND (%(held)s::boolean IS NULL OR (hold IS NOT NULL) = %(held)s)
    ORDER BY runs.flow_id DESC, runs.status DESC, runs.run_id DESC
    LIMIT %(limit)s
) AS newest
ORDER BY run_id DESC
LIMIT %(limit)s;
