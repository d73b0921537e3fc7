-- A version of a flow, kept once.
INSERT INTO versions (namespace, flow_id, version, name, document, created_at)
VALUES (%(namespace)s, %(flow_id)s, %(version)s, %(name)s, %(document)s, %(created_at)s)
ON CONFLICT (namespace, flow_id, version) DO NOTHING;
