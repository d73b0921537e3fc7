-- Effects of a run, by the last event about them.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM effect_rows
  WHERE run_id = :run_id
    AND (:namespace IS NULL OR EXISTS (SELECT 1 FROM runs AS r WHERE r.run_id = effect_rows.run_id AND r.namespace = :namespace))
    AND (:statuses IS NULL OR status IN (SELECT value FROM json_each(:statuses)))
  ORDER BY seq, key
  LIMIT :limit
)
