-- Dead letters of a namespace, newest first; asked for as a range, see runs_by_status.
SELECT run_id, flow_id, namespace, error, failed_at, replays, last_replay
FROM dead_letters
WHERE namespace >= %(namespace)s AND namespace <= %(namespace)s
ORDER BY namespace DESC, failed_at DESC, run_id DESC
LIMIT %(limit)s;
