-- Lanes that are to be looked at, those that are ready longest first.
SELECT json_group_array(json_array(lane, pool))
FROM (
  SELECT lane, pool FROM lanes
  WHERE ready_at IS NOT NULL AND ready_at <= :now
  ORDER BY ready_at, served, lane
  LIMIT :most
)
