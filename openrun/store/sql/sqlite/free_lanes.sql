-- Lanes that have room again, for those that wait in them or in their pools.
UPDATE lanes SET
  ready_at = CASE
    WHEN EXISTS (SELECT 1 FROM tickets AS t WHERE t.lane = lanes.lane AND t.state = 'queued')
      OR EXISTS (SELECT 1 FROM lanes AS l WHERE l.pool = lanes.pool AND l.blocked)
      THEN min(coalesce(ready_at, :now), :now)
    ELSE ready_at
  END,
  idle_at = CASE
    WHEN EXISTS (SELECT 1 FROM tickets AS t WHERE t.lane = lanes.lane AND t.state = 'queued')
      OR EXISTS (SELECT 1 FROM tickets AS t WHERE t.lane = lanes.lane AND t.state = 'running')
      THEN NULL
    ELSE :now + iif(json_extract(rules, '$.rate') IS NULL, 0, json_extract(rules, '$.period_ms'))
  END
WHERE lane IN (SELECT value FROM json_each(:rows))
