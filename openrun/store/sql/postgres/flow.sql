-- One flow.
SELECT flows.namespace, flows.flow_id, flows.version, versions.name, flows.enabled, versions.created_at
FROM flows JOIN versions USING (namespace, flow_id, version)
WHERE flows.namespace = %(namespace)s AND flows.flow_id = %(flow_id)s;
