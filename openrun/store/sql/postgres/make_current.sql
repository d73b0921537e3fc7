-- The version that new runs of a flow have.
INSERT INTO flows (namespace, flow_id, version)
VALUES (%(namespace)s, %(flow_id)s, %(version)s)
ON CONFLICT (namespace, flow_id) DO UPDATE SET version = excluded.version;
