-- Lanes as they stand, with the beginnings of their queues.
SELECT json_group_array(json_object(
  'lane', l.lane, 'pool', l.pool, 'flow_id', l.flow_id, 'key', l.key, 'rules', json(l.rules), 'served', l.served,
  'burst_at', l.burst_at,
  'running', CASE
    WHEN json_extract(l.rules, '$.limit') IS NULL THEN 0
    ELSE (SELECT count(*) FROM tickets AS t WHERE t.lane = l.lane AND t.state = 'running')
  END,
  'told', (SELECT count(*) FROM tickets AS t WHERE t.lane = l.lane AND t.state = 'running' AND t.told = 1),
  'oldest', json(CASE WHEN json_extract(l.rules, '$.at_limit') = 'cancel_running' THEN (
    SELECT json_group_array(run_id)
    FROM (
      SELECT t.run_id FROM tickets AS t
      WHERE t.lane = l.lane AND t.state = 'running' AND t.told = 0
      ORDER BY t.admitted_at, t.run_id
      LIMIT :most
    )
  ) ELSE '[]' END),
  'started', (
    SELECT count(*) FROM admissions AS a
    WHERE a.lane = l.lane AND a.at > :now - json_extract(l.rules, '$.period_ms')
  ),
  'first_start', (
    SELECT min(a.at) FROM admissions AS a
    WHERE a.lane = l.lane AND a.at > :now - json_extract(l.rules, '$.period_ms')
  ),
  'waiting', json((
    SELECT json_group_array(json_object('run_id', run_id, 'turn', turn, 'queued_at', queued_at))
    FROM (
      SELECT t.run_id, t.turn, t.queued_at FROM tickets AS t
      WHERE t.lane = l.lane AND t.state = 'queued'
      ORDER BY t.turn, t.run_id
      LIMIT :most
    )
  )),
  'newest', json((
    SELECT json_object('run_id', t.run_id, 'turn', t.turn, 'queued_at', t.queued_at) FROM tickets AS t
    WHERE t.lane = l.lane AND t.state = 'queued'
    ORDER BY t.queued_at DESC, t.run_id DESC
    LIMIT 1
  ))
))
FROM json_each(:rows) AS s CROSS JOIN lanes AS l ON l.lane = s.value
