-- A version of a flow, kept once.
INSERT INTO versions (flow_id, version, name, document, created_at)
VALUES (%(flow_id)s, %(version)s, %(name)s, %(document)s, %(created_at)s)
ON CONFLICT (flow_id, version) DO NOTHING;
