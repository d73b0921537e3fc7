-- An event that waits for others.
INSERT INTO gathered (namespace, flow_id, trigger, key, part, source, event_id, at, expires_at, body)
VALUES (:namespace, :flow_id, :trigger, :key, :part, :source, :event_id, :at, :expires_at, :body)
ON CONFLICT (namespace, flow_id, trigger, key, part, source, event_id) DO NOTHING
