-- Due runs that have crashed twice or more, those that are due longest first.
-- `expired` holds workers with the end of their leases; such a run has crashed once more than it counts.
SELECT json_group_array(json_array(run_id, crashed))
FROM (
  SELECT run_id, since, crashed FROM (
    SELECT run_id, due_at AS since, 0 AS crashed FROM runs
    WHERE worker IS NULL AND due_at IS NOT NULL AND due_at <= :now AND crashes >= 2
      AND version NOT IN (SELECT value FROM json_each(:without))
    ORDER BY due_at, run_id
    LIMIT :most
  )
  UNION ALL
  SELECT run_id, since, crashed FROM (
    SELECT r.run_id, coalesce(json_extract(w.value, '$[1]'), r.updated_at) AS since, 1 AS crashed
    FROM json_each(:expired) AS w CROSS JOIN runs AS r ON r.worker = json_extract(w.value, '$[0]')
    WHERE r.crashes >= 1 AND r.version NOT IN (SELECT value FROM json_each(:without))
    ORDER BY since, r.run_id
    LIMIT :most
  )
  ORDER BY since, run_id
  LIMIT :most
)
