-- Dead letters, newest first.
SELECT json_group_array(json_object(
  'run_id', run_id, 'flow_id', flow_id, 'error', error, 'failed_at', failed_at, 'replays', replays,
  'last_replay', last_replay
))
FROM (SELECT * FROM dead_letters ORDER BY failed_at DESC, run_id DESC LIMIT :limit)
