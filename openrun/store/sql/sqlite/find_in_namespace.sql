-- Ids of a namespace's runs from one on, before another.
SELECT json_group_array(run_id)
FROM (
  SELECT run_id FROM runs
  WHERE namespace = :namespace AND run_id >= :first AND run_id < :beyond
  ORDER BY run_id
  LIMIT :limit
)
