-- One dead letter.
SELECT json_object(
  'run_id', run_id, 'flow_id', flow_id, 'error', error, 'failed_at', failed_at, 'replays', replays,
  'last_replay', last_replay
)
FROM dead_letters WHERE run_id = :run_id
