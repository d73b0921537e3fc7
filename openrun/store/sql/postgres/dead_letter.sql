-- One dead letter.
SELECT run_id, flow_id, namespace, error, failed_at, replays, last_replay
FROM dead_letters
WHERE run_id = %(run_id)s;
