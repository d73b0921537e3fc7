-- Tickets and runs that do not fit together; every ticket is looked at.
SELECT run_id
FROM (
    SELECT tickets.run_id
    FROM tickets LEFT JOIN runs ON runs.run_id = tickets.run_id
    WHERE runs.run_id IS NULL
        OR runs.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
        OR tickets.state NOT IN ('queued', 'running', 'leaving')
        OR (tickets.state = 'queued' AND (runs.due_at IS NOT NULL OR runs.worker IS NOT NULL))
        OR (tickets.state = 'queued' AND NOT EXISTS (SELECT FROM lanes WHERE lanes.lane = tickets.lane))
    UNION
    SELECT runs.run_id
    FROM runs
    WHERE hold IS NOT NULL AND starts_with(hold, 'queued:') AND due_at IS NULL
        AND NOT EXISTS (SELECT FROM tickets WHERE tickets.run_id = runs.run_id AND tickets.state = 'queued')
) AS strays
ORDER BY run_id
LIMIT %(limit)s;
