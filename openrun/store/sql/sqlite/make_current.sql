-- The version that new runs of a flow get.
INSERT INTO flows (flow_id, version) VALUES (:flow_id, :version)
ON CONFLICT (flow_id) DO UPDATE SET version = excluded.version
