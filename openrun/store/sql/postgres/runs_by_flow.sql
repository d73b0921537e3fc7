-- Runs of a flow and of some statuses, newest first; see runs_by_status.
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
        AND runs.flow_id = %(flow_id)s
        AND (runs.status, runs.run_id) < (wanted.status, coalesce(%(before)s, U&'\+10FFFF'))
        AND (runs.status, runs.run_id) >= (wanted.status, '')
        AND (%(held)s::boolean IS NULL OR (hold IS NOT NULL AND NOT starts_with(hold, 'queued:')) = %(held)s)
    ORDER BY runs.status DESC, runs.run_id DESC
    LIMIT %(limit)s
) AS newest
ORDER BY run_id DESC
LIMIT %(limit)s;
