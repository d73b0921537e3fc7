-- Runs of a flow, newest first: as many of each namespace as are wanted in all, found in the index of flows alone.
SELECT json_group_array(json(shown))
FROM (
  SELECT r.shown
  FROM json_each(:namespaces) AS n CROSS JOIN run_rows AS r
  WHERE r.run_id IN (
    SELECT run_id FROM runs
    WHERE namespace = n.value
      AND flow_id = :flow_id
      AND run_id < :before
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
