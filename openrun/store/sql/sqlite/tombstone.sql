-- What is left of one run.
SELECT json_object(
  'run_id', t.run_id, 'flow_id', t.flow_id, 'namespace', t.namespace, 'status', t.status, 'events', t.events,
  'hash', t.hash, 'removed_at', t.removed_at
)
FROM tombstones AS t WHERE t.run_id = :run_id
