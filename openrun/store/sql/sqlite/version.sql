-- A version of a flow, or the current one.
SELECT json_object(
  'flow_id', flow_id, 'version', version, 'namespace', namespace, 'name', name, 'document', document,
  'created_at', created_at
)
FROM versions
WHERE namespace = :namespace
  AND flow_id = :flow_id
  AND version = coalesce(
    :version, (SELECT f.version FROM flows AS f WHERE f.namespace = :namespace AND f.flow_id = :flow_id)
  )
