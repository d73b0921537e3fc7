-- The current version of every flow, without its document.
SELECT versions.flow_id, versions.version, versions.name, '' AS document, versions.created_at
FROM flows JOIN versions USING (flow_id, version)
ORDER BY versions.flow_id;
