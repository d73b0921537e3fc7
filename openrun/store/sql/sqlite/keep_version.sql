-- A version of a flow; a known one stays as it is.
INSERT INTO versions (flow_id, version, name, document, created_at)
VALUES (:flow_id, :version, :name, :document, :created_at)
ON CONFLICT (flow_id, version) DO NOTHING
