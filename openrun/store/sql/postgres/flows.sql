-- All flows, by namespace and id.
SELECT flows.namespace, flows.flow_id, flows.version, versions.name, flows.enabled, versions.created_at
FROM flows JOIN versions USING (namespace, flow_id, version)
WHERE %(namespace)s::text IS NULL OR flows.namespace = %(namespace)s
ORDER BY flows.namespace, flows.flow_id;
