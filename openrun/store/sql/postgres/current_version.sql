-- The current version of a flow.
SELECT versions.flow_id, versions.version, versions.namespace, versions.name, versions.document, versions.created_at
FROM flows JOIN versions USING (namespace, flow_id, version)
WHERE flows.namespace = %(namespace)s AND flows.flow_id = %(flow_id)s;
