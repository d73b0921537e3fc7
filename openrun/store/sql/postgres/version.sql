-- One version of a flow.
SELECT flow_id, version, name, document, created_at
FROM versions
WHERE flow_id = %(flow_id)s AND version = %(version)s;
