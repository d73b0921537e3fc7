-- The version that new runs of a flow get.
INSERT INTO flows (namespace, flow_id, version) VALUES (:namespace, :flow_id, :version)
ON CONFLICT (namespace, flow_id) DO UPDATE SET version = excluded.version
