-- One version of a flow.
SELECT flow_id, version, namespace, name, document, created_at
FROM versions
WHERE namespace = %(namespace)s AND flow_id = %(flow_id)s AND version = %(version)s;
