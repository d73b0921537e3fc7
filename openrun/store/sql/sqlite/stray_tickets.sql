-- Tickets and runs that do not fit together; every ticket is looked at.
SELECT json_group_array(run_id)
FROM (
  SELECT t.run_id FROM tickets AS t LEFT JOIN runs AS r ON r.run_id = t.run_id
  WHERE r.run_id IS NULL
    OR r.status IN ('succeeded', 'failed', 'cancelled', 'aborted')
    OR t.state NOT IN ('queued', 'running', 'leaving')
    OR (t.state = 'queued' AND (r.due_at IS NOT NULL OR r.worker IS NOT NULL))
    OR (t.state = 'queued' AND NOT EXISTS (SELECT 1 FROM lanes AS l WHERE l.lane = t.lane))
  UNION
  SELECT r.run_id FROM runs AS r
  WHERE r.hold IS NOT NULL AND substr(r.hold, 1, 7) = 'queued:' AND r.due_at IS NULL
    AND NOT EXISTS (SELECT 1 FROM tickets AS t WHERE t.run_id = r.run_id AND t.state = 'queued')
  ORDER BY run_id
  LIMIT :limit
)
