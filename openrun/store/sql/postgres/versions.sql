-- All versions of a flow, the newest first, without their documents.
SELECT flow_id, version, namespace, name, '' AS document, created_at
FROM versions
WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s
ORDER BY created_at DESC, number DESC;
