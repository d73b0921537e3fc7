-- What is left of a run.
SELECT run_id, flow_id, namespace, status, events, hash, removed_at
FROM tombstones
WHERE run_id = %(run_id)s;
