-- All flows, by namespace and id.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM flow_rows
  WHERE :namespace IS NULL OR namespace = :namespace
  ORDER BY namespace, flow_id
)
