-- Runs of some statuses, newest first: as many of each status in each namespace as are wanted in all, found in the
-- index of statuses alone.
SELECT json_group_array(json(shown))
FROM (
  SELECT r.shown
  FROM json_each(:namespaces) AS n CROSS JOIN json_each(:statuses) AS s CROSS JOIN run_rows AS r
  WHERE r.run_id IN (
    SELECT run_id FROM runs
    WHERE namespace = n.value
      AND status = s.value
      AND run_id < :before
      AND (:flow_id IS NULL OR flow_id = :flow_id)
      AND (
        :held IS NULL
        OR run_id NOT IN (SELECT run_id FROM runs WHERE hold IS NOT NULL AND substr(hold, 1, 7) <> 'queued:')
      )
    ORDER BY run_id DESC
    LIMIT :limit
  )
  ORDER BY r.run_id DESC
  LIMIT :limit
)
