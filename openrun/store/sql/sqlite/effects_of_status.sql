-- Effects of some statuses, newest first: as many of each as are wanted in all, found in the index of statuses alone.
SELECT json_group_array(json(shown))
FROM (
  SELECT e.shown
  FROM (SELECT DISTINCT value FROM json_each(:statuses)) AS s CROSS JOIN effect_rows AS e
  WHERE e.number IN (
    SELECT number FROM effects
    WHERE status = s.value
      AND (:namespace IS NULL OR EXISTS (SELECT 1 FROM runs AS r WHERE r.run_id = effects.run_id AND r.namespace = :namespace))
    ORDER BY age DESC, key DESC
    LIMIT :limit
  )
  ORDER BY e.age DESC, e.key DESC
  LIMIT :limit
)
