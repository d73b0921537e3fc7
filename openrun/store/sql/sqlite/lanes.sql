-- Lanes with runs that wait or go on, by namespace, flow and key, between two places.
SELECT json_group_array(json_object(
  'lane', lane, 'namespace', namespace, 'flow_id', flow_id, 'key', key,
  'rules', json_set(rules, '$.total', (SELECT p.total FROM pools AS p WHERE p.pool = listed.pool)),
  'running', (SELECT count(*) FROM tickets AS t WHERE t.lane = listed.lane AND t.state = 'running'),
  'queued', (SELECT count(*) FROM tickets AS t WHERE t.lane = listed.lane AND t.state = 'queued'),
  'oldest', (SELECT min(t.queued_at) FROM tickets AS t WHERE t.lane = listed.lane AND t.state = 'queued')
))
FROM (
  SELECT * FROM lanes AS k
  WHERE idle_at IS NULL
    AND (namespace, flow_id, key, lane) > (:namespace, :flow_id, :key, :lane)
    AND (namespace, flow_id, key) < (:last_namespace, :last_flow_id, :last_key)
    AND (:flow IS NULL OR flow_id = :flow)
    AND (
      EXISTS (SELECT 1 FROM tickets AS t WHERE t.lane = k.lane AND t.state = 'queued')
      OR EXISTS (SELECT 1 FROM tickets AS t WHERE t.lane = k.lane AND t.state = 'running')
    )
  ORDER BY namespace, flow_id, key, lane
  LIMIT :limit
) AS listed
