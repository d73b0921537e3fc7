-- Effects whose keys are from one on, before another.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM effect_rows
  WHERE key >= :first AND key < :beyond
    AND (:namespace IS NULL OR EXISTS (SELECT 1 FROM runs AS r WHERE r.run_id = effect_rows.run_id AND r.namespace = :namespace))
  ORDER BY key, run_id
  LIMIT :limit
)
