-- Dead letters, newest first.
SELECT run_id, flow_id, namespace, error, failed_at, replays, last_replay
FROM dead_letters
ORDER BY failed_at DESC, run_id DESC
LIMIT %(limit)s;
