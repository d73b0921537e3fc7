-- The version that runs of a flow have which is new.
INSERT INTO flows (namespace, flow_id, version)
VALUES (%(namespace)s, %(flow_id)s, %(version)s)
ON CONFLICT (namespace, flow_id) DO NOTHING;
