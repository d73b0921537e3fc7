-- Lanes after they were looked at: an empty one goes once no rate asks for its admissions.
UPDATE lanes SET
  ready_at = s.ready_at,
  blocked = s.blocked,
  burst_at = s.burst_at,
  served = coalesce(s.served, lanes.served),
  idle_at = CASE
    WHEN EXISTS (SELECT 1 FROM tickets AS t WHERE t.lane = lanes.lane AND t.state = 'queued')
      OR EXISTS (SELECT 1 FROM tickets AS t WHERE t.lane = lanes.lane AND t.state = 'running')
      THEN NULL
    ELSE :now + iif(json_extract(lanes.rules, '$.rate') IS NULL, 0, json_extract(lanes.rules, '$.period_ms'))
  END
FROM (
  SELECT
    json_extract(value, '$[0]') AS lane,
    json_extract(value, '$[1]') AS ready_at,
    json_extract(value, '$[2]') AS blocked,
    json_extract(value, '$[3]') AS burst_at,
    json_extract(value, '$[4]') AS served
  FROM json_each(:rows)
) AS s
WHERE lanes.lane = s.lane
