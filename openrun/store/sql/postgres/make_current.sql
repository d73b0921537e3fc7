-- The version that new runs of a flow have.
INSERT INTO flows (flow_id, version)
VALUES (%(flow_id)s, %(version)s)
ON CONFLICT (flow_id) DO UPDATE SET version = excluded.version;
