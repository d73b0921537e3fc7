-- Waits whose ids are from one on, before another.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM wait_rows
  WHERE wait_id >= :first AND wait_id < :beyond
  ORDER BY wait_id, run_id
  LIMIT :limit
)
