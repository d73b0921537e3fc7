-- Runs as their new holder gets them, in the order of `rows`.
SELECT json_group_array(json_object(
  'run_id', r.run_id, 'flow_id', r.flow_id, 'version', r.version, 'namespace', r.namespace, 'fence', r.fence,
  'seq', r.seq, 'hash', r.hash, 'crashes', r.crashes, 'parent_run_id', r.parent_run_id, 'depth', r.depth, 'bytes', r.bytes
))
FROM json_each(:rows) AS s CROSS JOIN runs AS r ON r.run_id = json_extract(s.value, '$[0]')
