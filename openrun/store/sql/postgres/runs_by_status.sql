-- Runs of some statuses, newest first: the newest of each are found in the index of statuses, then merged. They are asked
-- for as a range, because the planner may look for equal ones in the index of ids, and read it all if there are few.
SELECT newest.*
FROM unnest(%(status)s::text[]) AS wanted (status)
CROSS JOIN LATERAL (
    SELECT run_id, flow_id, version, runs.status, trigger, parent_run_id, replay_of, depth, created_at, updated_at,
        ended_at, error, seq, bytes, hash, worker, fence, due_at, crashes, hold
    FROM runs
    WHERE (runs.status, runs.run_id) < (wanted.status, coalesce(%(before)s, U&'\+10FFFF'))
        AND (runs.status, runs.run_id) >= (wanted.status, '')
        AND (%(held)s::boolean IS NULL OR (hold IS NOT NULL) = %(held)s)
    ORDER BY runs.status DESC, runs.run_id DESC
    LIMIT %(limit)s
) AS newest
ORDER BY run_id DESC
LIMIT %(limit)s;
