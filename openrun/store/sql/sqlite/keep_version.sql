-- A version of a flow; a known one stays as it is.
INSERT INTO versions (namespace, flow_id, version, name, document, created_at)
VALUES (:namespace, :flow_id, :version, :name, :document, :created_at)
ON CONFLICT (namespace, flow_id, version) DO NOTHING
