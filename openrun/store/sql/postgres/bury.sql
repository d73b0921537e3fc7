-- Dead letters of runs that failed, unless they repeat a run that is one already.
INSERT INTO dead_letters (run_id, flow_id, namespace, error, failed_at, replays, last_replay)
SELECT failed.run_id, failed.flow_id, runs.namespace, failed.error, failed.failed_at, 0, NULL
FROM unnest(
    %(run_id)b::text[], %(flow_id)b::text[], %(error)b::text[], %(failed_at)b::bigint[], %(replay_of)b::text[]
) AS failed (run_id, flow_id, error, failed_at, replay_of)
JOIN runs ON runs.run_id = failed.run_id
WHERE NOT EXISTS (SELECT FROM dead_letters WHERE dead_letters.run_id = failed.replay_of)
ON CONFLICT (run_id) DO NOTHING;
