-- All compensations of a run, by the last event about them.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM compensation_rows
  WHERE run_id = :run_id
    AND (:namespace IS NULL OR EXISTS (SELECT 1 FROM runs AS r WHERE r.run_id = compensation_rows.run_id AND r.namespace = :namespace))
  ORDER BY seq, step_id, scope
)
