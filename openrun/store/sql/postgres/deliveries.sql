-- Deliveries, newest first.
SELECT run_id, namespace, flow_id, trigger, received_at, method, path, delivery_id, digest, size, remote, replay_of
FROM deliveries
WHERE run_id < coalesce(%(before)s, U&'\+10FFFF')
ORDER BY run_id DESC
LIMIT %(limit)s;
