-- Tombstones of runs that are still there, in the order of `rows`.
SELECT json_group_array(json_object(
  'run_id', t.run_id, 'flow_id', t.flow_id, 'namespace', t.namespace, 'status', t.status, 'events', t.events,
  'hash', t.hash, 'removed_at', t.removed_at
))
FROM (SELECT DISTINCT value AS run_id FROM json_each(:rows) LIMIT -1) AS s
CROSS JOIN runs AS r ON r.run_id = s.run_id
CROSS JOIN tombstones AS t ON t.run_id = s.run_id
