-- What stays of runs that have ended and are to be removed.
INSERT INTO tombstones (run_id, flow_id, namespace, status, events, hash, removed_at)
SELECT run_id, flow_id, namespace, status, seq, hash, :now
FROM runs
WHERE run_id IN (SELECT value FROM json_each(:rows)) AND status IN ('succeeded', 'failed', 'cancelled', 'aborted')
ON CONFLICT (run_id) DO NOTHING
