-- The delivery that started a run.
SELECT run_id, namespace, flow_id, trigger, received_at, method, path, delivery_id, digest, size, remote, replay_of
FROM deliveries
WHERE run_id = %(run_id)s;
