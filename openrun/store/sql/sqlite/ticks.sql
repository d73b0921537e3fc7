-- Ticks of a schedule, newest first.
SELECT json_group_array(json(shown))
FROM (
  SELECT shown FROM tick_rows
  WHERE namespace = :namespace AND flow_id = :flow_id AND trigger = :trigger AND tick >= :since AND tick < :before
  ORDER BY tick DESC
  LIMIT :limit
)
