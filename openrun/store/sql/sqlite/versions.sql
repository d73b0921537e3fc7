-- The current version of every flow, without its document.
SELECT json_group_array(json_object(
  'flow_id', flow_id, 'version', version, 'name', name, 'document', '', 'created_at', created_at
))
FROM (SELECT v.* FROM flows AS f JOIN versions AS v USING (flow_id, version) ORDER BY f.flow_id)
