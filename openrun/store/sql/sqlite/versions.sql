-- All versions of a flow, the newest first, without their documents.
SELECT json_group_array(json_object(
  'flow_id', flow_id, 'version', version, 'namespace', namespace, 'name', name, 'document', '',
  'created_at', created_at
))
FROM (
  SELECT * FROM versions
  WHERE namespace = :namespace AND flow_id = :flow_id
  ORDER BY created_at DESC, number DESC
)
