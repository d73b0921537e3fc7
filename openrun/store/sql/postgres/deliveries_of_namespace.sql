-- Deliveries of a namespace, newest first; asked for as a range, see runs_by_status.
SELECT run_id, namespace, flow_id, trigger, received_at, method, path, delivery_id, digest, size, remote, replay_of
FROM deliveries
WHERE (namespace, run_id) < (%(namespace)s, coalesce(%(before)s, U&'\+10FFFF'))
    AND (namespace, run_id) >= (%(namespace)s, '')
ORDER BY namespace DESC, run_id DESC
LIMIT %(limit)s;
