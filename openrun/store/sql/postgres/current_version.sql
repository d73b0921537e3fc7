-- The current version of a flow.
SELECT versions.flow_id, versions.version, versions.name, versions.document, versions.created_at
FROM flows JOIN versions USING (flow_id, version)
WHERE flows.flow_id = %(flow_id)s;
