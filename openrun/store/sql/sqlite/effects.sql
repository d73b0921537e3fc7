-- Effects, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM effect_rows
  WHERE (:namespace IS NULL OR EXISTS (SELECT 1 FROM runs AS r WHERE r.run_id = effect_rows.run_id AND r.namespace = :namespace))
  ORDER BY age DESC, key DESC
  LIMIT :limit
)
