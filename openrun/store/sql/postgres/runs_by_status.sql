-- Runs of some statuses, newest first: the newest of each namespace and status are found in the index of statuses, then
-- merged. They are asked for as a range, because the planner may look for equal ones in the index of ids, and read it all
-- if there are few; a range over more than the status and the id would be read on after its end.
SELECT newest.*
FROM (
    SELECT namespace FROM namespaces WHERE %(namespace)s::text IS NULL
    UNION ALL
    SELECT %(namespace)s::text WHERE %(namespace)s::text IS NOT NULL
) AS place
CROSS JOIN unnest(%(status)s::text[]) AS wanted (status)
CROSS JOIN LATERAL (
    SELECT run_id, flow_id, version, runs.namespace, runs.status, trigger, parent_run_id, replay_of, depth,
        created_at, updated_at, ended_at, error, seq, bytes, hash, worker, fence, due_at, crashes, hold
    FROM runs
    WHERE runs.namespace = place.namespace
        AND (runs.status, runs.run_id) < (wanted.status, coalesce(%(before)s, U&'\+10FFFF'))
        AND (runs.status, runs.run_id) >= (wanted.status, '')
        AND (%(held)s::boolean IS NULL OR (hold IS NOT NULL AND NOT starts_with(hold, 'queued:')) = %(held)s)
    ORDER BY runs.status DESC, runs.run_id DESC
    LIMIT %(limit)s
) AS newest
ORDER BY run_id DESC
LIMIT %(limit)s;
