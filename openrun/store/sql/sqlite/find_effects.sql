-- Effects whose keys are from one on, before another.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM effect_rows
  WHERE key >= :first AND key < :beyond
  ORDER BY key, run_id
  LIMIT :limit
)
