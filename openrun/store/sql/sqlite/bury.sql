-- Failed runs that nobody above takes care of; a replay that fails leaves the letter it repeats as it is.
INSERT INTO dead_letters (run_id, flow_id, namespace, error, failed_at)
SELECT run_id, flow_id, namespace, error, coalesce(ended_at, updated_at)
FROM runs
WHERE run_id IN (SELECT value FROM json_each(:rows))
  AND parent_run_id IS NULL
  AND (replay_of IS NULL OR replay_of NOT IN (SELECT run_id FROM dead_letters))
